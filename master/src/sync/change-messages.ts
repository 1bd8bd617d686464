import type { Change, ChangeItem } from '@voiceoi/contracts';
import { type OrgKey, signChange } from '@voiceoi/kernel';
import type { Queryable } from '../database/index.ts';
import { type SecretSource, withSealed } from './secret-source.ts';

interface ChangeRow {
  readonly revision: number;
  readonly epoch: string;
  readonly committed_at: Date;
  readonly changes: ChangeItem[];
  readonly sha256: string;
}

/** A signed change, and its text as it goes over the wire. */
export interface ChangeMessage {
  readonly change: Change;
  readonly text: string;
}

/** What makes changes of rows. */
interface Signing {
  readonly key: OrgKey;
  readonly secrets: SecretSource;
}

/** A change whose text has more bytes than this is only announced; nodes fetch it. */
const LONGEST_MESSAGE = 64 * 1024;

const ROWS = 'SELECT revision, epoch, committed_at, changes, sha256 FROM change_log';
const SINCE = `${ROWS}
WHERE org_id = $1 AND revision > $2 AND epoch = $3 ORDER BY revision LIMIT $4`;

/** Signed changes of one organization behind a revision, in order and without a hole; fewer than there are when the log does not reach back so far. */
export async function changesSince(
  db: Queryable,
  orgId: string,
  { epoch, revision }: { readonly epoch: string; readonly revision: number },
  limit: number,
  signing: Signing,
): Promise<readonly ChangeMessage[]> {
  const { rows } = await db.query<ChangeRow>(SINCE, [orgId, revision, epoch, limit]);
  const unbroken = rows.filter((row, index) => row.revision === revision + index + 1);
  return messagesOf(db, orgId, unbroken, signing);
}

const BETWEEN = `${ROWS}
WHERE org_id = $1 AND epoch = $2 AND revision BETWEEN $3 AND $4 ORDER BY revision`;

/** Signed changes that lead to the revisions from `first` to `last`, as far as the log still has them. */
export async function changesBetween(
  db: Queryable,
  orgId: string,
  epoch: string,
  revisions: { readonly first: number; readonly last: number },
  signing: Signing,
): Promise<readonly ChangeMessage[]> {
  const { rows } = await db.query<ChangeRow>(BETWEEN, [orgId, epoch, revisions.first, revisions.last]);
  return messagesOf(db, orgId, rows, signing);
}

const UNPUBLISHED = `${ROWS}
WHERE org_id = $1 AND published_at IS NULL ORDER BY revision LIMIT $2`;

/** The first signed changes that the bus has not been told of, of whatever epoch. */
export async function unpublishedChanges(
  db: Queryable,
  orgId: string,
  limit: number,
  signing: Signing,
): Promise<readonly ChangeMessage[]> {
  const { rows } = await db.query<ChangeRow>(UNPUBLISHED, [orgId, limit]);
  return messagesOf(db, orgId, rows, signing);
}

async function messagesOf(
  db: Queryable,
  orgId: string,
  rows: readonly ChangeRow[],
  { key, secrets }: Signing,
): Promise<readonly ChangeMessage[]> {
  return (await withSealed(rows, db, orgId, secrets)).map((row) => changeMessage(orgId, row, key));
}

function changeMessage(orgId: string, row: ChangeRow, key: OrgKey): ChangeMessage {
  const { epoch, revision, committed_at, changes, sha256 } = row;
  const base = {
    v: 1 as const,
    epoch,
    org_id: orgId,
    from: revision - 1,
    to: revision,
    committed_at: committed_at.toISOString(),
    sha256,
  };
  const whole = message(signChange(key, { ...base, changes }));
  return Buffer.byteLength(whole.text) <= LONGEST_MESSAGE ? whole : message(signChange(key, { ...base, hint: true }));
}

function message(change: Change): ChangeMessage {
  return { change, text: JSON.stringify(change) };
}
