import type { Change, ChangeItem } from '@voiceoi/contracts';
import { type OrgKey, signChange } from '@voiceoi/kernel';
import type { Queryable } from '../database/index.ts';

interface ChangeRow {
  readonly revision: number;
  readonly epoch: string;
  readonly committed_at: Date;
  readonly changes: ChangeItem[];
  readonly sha256: string;
}

/** A change with more than this many bytes is only announced; nodes fetch it. */
const LONGEST_MESSAGE = 64 * 1024;

/** Signed changes of one organization behind a revision, in order. */
export async function changesSince(
  db: Queryable,
  orgId: string,
  revision: number,
  limit: number,
  key: OrgKey,
): Promise<readonly Change[]> {
  const sql =
    'SELECT revision, epoch, committed_at, changes, sha256 FROM change_log WHERE org_id = $1 AND revision > $2 ORDER BY revision LIMIT $3';
  const { rows } = await db.query<ChangeRow>(sql, [orgId, revision, limit]);
  return rows.map((row) => changeMessage(orgId, row, key));
}

function changeMessage(orgId: string, row: ChangeRow, key: OrgKey): Change {
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
  const whole = signChange(key, { ...base, changes });
  return JSON.stringify(whole).length <= LONGEST_MESSAGE ? whole : signChange(key, { ...base, hint: true });
}
