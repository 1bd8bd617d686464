import type { SecretItem } from '@voiceoi/contracts';
import type { Queryable } from '../database/index.ts';
import { notFound } from '../http/index.ts';
import type { AtRest } from './at-rest.ts';

interface Row {
  readonly name: string;
  readonly version: number;
  readonly updated_at: Date;
  readonly updated_by: string;
}

const COLUMNS = 'name, version, updated_at, updated_by';

export async function listSecrets(
  db: Queryable,
  orgId: string,
  after: string | undefined,
  limit: number,
): Promise<readonly SecretItem[]> {
  const sql = `SELECT ${COLUMNS} FROM secret
    WHERE org_id = $1 AND sealed IS NOT NULL AND name COLLATE "C" > $2 ORDER BY name COLLATE "C" LIMIT $3`;
  return (await db.query<Row>(sql, [orgId, after ?? '', limit])).rows.map(secretItem);
}

/** @throws ProblemError when it is not there */
export async function getSecret(db: Queryable, orgId: string, name: string): Promise<SecretItem> {
  const sql = `SELECT ${COLUMNS} FROM secret WHERE org_id = $1 AND name = $2 AND sealed IS NOT NULL`;
  const row = (await db.query<Row>(sql, [orgId, name])).rows[0];
  if (!row) throw notFound(`secret "${name}"`);
  return secretItem(row);
}

/** Sets a secret, while the organization's row is locked: the version is part of what is sealed, so it has to be known before. */
export async function putSecret(
  tx: Queryable,
  rest: AtRest,
  { orgId, name, actor }: { readonly orgId: string; readonly name: string; readonly actor: string },
  value: string,
): Promise<void> {
  const last = 'SELECT version FROM secret WHERE org_id = $1 AND name = $2';
  const version = ((await tx.query<{ version: number }>(last, [orgId, name])).rows[0]?.version ?? 0) + 1;
  const sql = `INSERT INTO secret (org_id, name, version, sealed, updated_by) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (org_id, name) DO UPDATE SET version = $3, sealed = $4, updated_by = $5, updated_at = now()`;
  await tx.query(sql, [orgId, name, version, rest.seal({ orgId, name, version }, value), actor]);
}

/** Its row stays without a value. @throws ProblemError when it is not there */
export async function deleteSecret(tx: Queryable, orgId: string, name: string, actor: string): Promise<void> {
  const sql = `UPDATE secret SET sealed = NULL, updated_by = $3, updated_at = now()
    WHERE org_id = $1 AND name = $2 AND sealed IS NOT NULL`;
  if ((await tx.query(sql, [orgId, name, actor])).rowCount === 0) throw notFound(`secret "${name}"`);
}

/** How many secrets an organization has beside one. */
export async function countOthers(tx: Queryable, orgId: string, name: string): Promise<number> {
  const sql = 'SELECT count(*)::int AS count FROM secret WHERE org_id = $1 AND name <> $2 AND sealed IS NOT NULL';
  return (await tx.query<{ count: number }>(sql, [orgId, name])).rows[0]?.count ?? 0;
}

function secretItem({ updated_at, ...row }: Row): SecretItem {
  return { ...row, updated_at: updated_at.toISOString() };
}
