import type { AuditActor } from '@voiceoi/contracts';
import { uuidv7 } from 'uuidv7';
import type { Queryable } from '../database/index.ts';
import { AUDIT_COLUMNS, type AuditEntry, chainHash, NO_HASH } from './entry.ts';
import { currentOrigin } from './origin.ts';
import { auditable } from './redact.ts';

/** What happened; who did it is known from the request. */
export interface Happening {
  readonly orgId: string;
  /** A thing of the table of permissions and what became of it: `campaign.update`. */
  readonly action: `${string}.${string}`;
  /** `campaign/123` */
  readonly target: string;
  /** The thing as the API shows it; secrets in it are left out here. */
  readonly before?: unknown;
  readonly after?: unknown;
  /** Where it is not whoever the request comes from. */
  readonly actor?: AuditActor;
}

interface Head {
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly at: Date;
}

const TAKE = `INSERT INTO audit_head (org_id, seq, hash) VALUES ($1, 1, $2)
ON CONFLICT (org_id) DO UPDATE SET seq = audit_head.seq + 1
RETURNING seq, hash, date_trunc('milliseconds', clock_timestamp()) AS at`;

const APPEND = `WITH head AS (UPDATE audit_head SET hash = $12 WHERE org_id = $1)
INSERT INTO audit_log (${AUDIT_COLUMNS}) VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8::jsonb, $9::jsonb, $10, $11, $12)`;

/**
 * Appends to the organization's chain, in the transaction of the change. The chain's head is held until the commit, so that the order of entries is
 * that of commits; call it last, since a transaction that waits for something else behind it would make every other change wait, or wait in a circle.
 */
export async function record(tx: Queryable, happening: Happening): Promise<void> {
  const { orgId, action, target } = happening;
  const head = (await tx.query<Head>(TAKE, [orgId, NO_HASH])).rows[0];
  if (!head) throw new Error('an insert that returns its row returned none');
  const { actor, request_id, address } = currentOrigin();
  const entry: AuditEntry = {
    org_id: orgId,
    seq: head.seq,
    id: uuidv7(),
    at: head.at.toISOString(),
    actor: happening.actor ?? actor,
    action,
    target,
    before: auditable(happening.before),
    after: auditable(happening.after),
    request_id,
    address,
  };
  await append(tx, entry, chainHash(head.hash, entry));
}

async function append(tx: Queryable, entry: AuditEntry, hash: Uint8Array): Promise<void> {
  const { org_id, seq, id, at, actor, action, target, before, after, request_id, address } = entry;
  const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));
  const values = [json(before), json(after), request_id, address, hash];
  await tx.query(APPEND, [org_id, seq, id, at, JSON.stringify(actor), action, target, ...values]);
}
