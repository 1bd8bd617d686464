import type { Queryable } from '../database/index.ts';
import { notFound, ProblemError } from '../http/index.ts';
import { GOOD } from './keys.ts';

/** A generation of an organization's key. */
export interface KeyRow {
  readonly generation: number;
  readonly created_at: Date;
  readonly not_after: Date | null;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
}

const COLUMNS = 'generation, created_at, not_after, revoked_at, last_used_at';
const LIST = `SELECT ${COLUMNS} FROM organization_key
WHERE org_id = $1 AND generation < $2 ORDER BY generation DESC LIMIT $3`;

/** Generations below one, the newest first. */
export async function listKeys(db: Queryable, orgId: string, below: number, limit: number): Promise<readonly KeyRow[]> {
  return (await db.query<KeyRow>(LIST, [orgId, below, limit])).rows;
}

// One that is to end sooner does so.
const END_OTHERS = `UPDATE organization_key SET not_after = least(not_after, now() + make_interval(secs => $2))
WHERE org_id = $1 AND ${GOOD}`;
const ADD = `INSERT INTO organization_key (org_id, generation)
SELECT $1, coalesce(max(generation), 0) + 1 FROM organization_key WHERE org_id = $1 RETURNING ${COLUMNS}`;

/** Adds a generation; those before it work for `overlapSeconds` more at most. Within a transaction. @throws ProblemError when the organization is not there */
export async function rotateKey(tx: Queryable, orgId: string, overlapSeconds: number): Promise<KeyRow> {
  await lockKeys(tx, orgId);
  await tx.query(END_OTHERS, [orgId, overlapSeconds]);
  const [row] = (await tx.query<KeyRow>(ADD, [orgId])).rows;
  if (!row) throw notFound(`organization "${orgId}"`);
  return row;
}

// Keys whose end is set do not count: with the last of the others gone, the organization would be without a key by then.
const LASTING = `SELECT generation FROM organization_key WHERE org_id = $1 AND ${GOOD} AND not_after IS NULL`;
const REVOKE = `UPDATE organization_key SET revoked_at = coalesce(revoked_at, now()) WHERE org_id = $1 AND generation = $2`;

/** Ends a generation at once. Within a transaction. @throws ProblemError when it is not there, or no lasting key would be left */
export async function revokeKey(tx: Queryable, orgId: string, generation: number): Promise<void> {
  await lockKeys(tx, orgId);
  const { rows } = await tx.query<{ generation: number }>(LASTING, [orgId]);
  if (rows.length === 1 && rows[0]?.generation === generation)
    throw new ProblemError(
      'LAST_KEY',
      `Generation ${generation} is the only good key that does not end by itself: rotate first (POST /api/orgs/${orgId}/keys/rotate), let the nodes take up the new key, then revoke this one`,
    );
  const { rowCount } = await tx.query(REVOKE, [orgId, generation]);
  if (rowCount === 0) throw notFound(`key of generation ${generation}`);
}

/** Of two that change an organization's keys at once, one waits. */
async function lockKeys(tx: Queryable, orgId: string): Promise<void> {
  const { rows } = await tx.query('SELECT id FROM organization WHERE id = $1 FOR NO KEY UPDATE', [orgId]);
  if (rows.length === 0) throw notFound(`organization "${orgId}"`);
}

/** Writes down who has seen which keys. */
export async function noteView(
  db: Queryable,
  orgId: string,
  actor: string,
  generations: readonly number[],
): Promise<void> {
  if (generations.length === 0) return;
  await db.query('INSERT INTO key_view (org_id, actor, generations) VALUES ($1, $2, $3::int[])', [
    orgId,
    actor,
    generations,
  ]);
}
