import type { Organization, OrgSettings } from '@voiceoi/contracts';
import { hasSqlState, type Queryable, UNIQUE_VIOLATION } from '../database/index.ts';
import { notFound, ProblemError } from '../http/index.ts';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly settings: OrgSettings;
  readonly revision: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMNS = 'id, name, settings, revision, created_at, updated_at';

/** Organizations in the order of their ids: those of one member, or all. */
export async function listOrganizations(
  db: Queryable,
  memberId: string | undefined,
  after: string | undefined,
  limit: number,
): Promise<readonly Organization[]> {
  const sql = `SELECT ${COLUMNS} FROM organization WHERE id COLLATE "C" > $1
    AND ($3::uuid IS NULL OR id IN (SELECT org_id FROM member WHERE user_id = $3))
    ORDER BY id COLLATE "C" LIMIT $2`;
  return (await db.query<Row>(sql, [after ?? '', limit, memberId ?? null])).rows.map(organization);
}

/** @throws ProblemError when it is not there */
export async function getOrganization(db: Queryable, id: string): Promise<Organization> {
  const row = (await db.query<Row>(`SELECT ${COLUMNS} FROM organization WHERE id = $1`, [id])).rows[0];
  if (!row) throw notFound(`organization "${id}"`);
  return organization(row);
}

// Nodes of an organization of the same name that was deleted take nothing that is behind what they have.
const INSERT = `INSERT INTO organization (id, name, settings, revision)
VALUES ($1, $2, $3::jsonb, coalesce((SELECT revision + 1 FROM organization_past WHERE id = $1), 0))`;
const REMEMBER = `INSERT INTO organization_past (id, revision, generation)
SELECT o.id, o.revision, (SELECT coalesce(max(k.generation), 0) FROM organization_key k WHERE k.org_id = o.id) FROM organization o WHERE o.id = $1
ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, generation = excluded.generation, deleted_at = now()`;

/** @throws ProblemError when the id is taken */
export async function insertOrganization(
  db: Queryable,
  id: string,
  name: string,
  settings: OrgSettings,
): Promise<void> {
  try {
    await db.query(INSERT, [id, name, JSON.stringify(settings)]);
  } catch (error) {
    if (hasSqlState(error, UNIQUE_VIOLATION))
      throw new ProblemError('ALREADY_EXISTS', `There is an organization "${id}" already`);
    throw error;
  }
}

export async function updateOrganization(
  db: Queryable,
  id: string,
  name: string,
  settings: OrgSettings,
): Promise<void> {
  await db.query('UPDATE organization SET name = $2, settings = $3::jsonb, updated_at = now() WHERE id = $1', [
    id,
    name,
    JSON.stringify(settings),
  ]);
}

/** @throws ProblemError when it is not there */
export async function deleteOrganization(db: Queryable, id: string): Promise<void> {
  // Campaigns hold on to scripts, so they go first; the rest goes with the organization.
  await db.query(REMEMBER, [id]);
  await db.query('DELETE FROM campaign WHERE org_id = $1', [id]);
  const { rowCount } = await db.query('DELETE FROM organization WHERE id = $1', [id]);
  if (rowCount === 0) throw notFound(`organization "${id}"`);
}

function organization({ created_at, updated_at, ...row }: Row): Organization {
  return { ...row, created_at: created_at.toISOString(), updated_at: updated_at.toISOString() };
}
