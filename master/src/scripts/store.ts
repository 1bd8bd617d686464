import type { Script } from '@voiceoi/contracts';
import { FOREIGN_KEY_VIOLATION, hasSqlState, type Queryable, UNIQUE_VIOLATION } from '../database/index.ts';
import { etagOf, notFound, ProblemError } from '../http/index.ts';

export type ScriptDocumentJson = { readonly [name: string]: unknown };

interface Row {
  readonly id: string;
  readonly name: string;
  readonly latest_version: number;
  readonly has_draft: boolean;
  readonly row_version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMNS = 'id, name, latest_version, draft IS NOT NULL AS has_draft, row_version, created_at, updated_at';

export async function listScripts(
  db: Queryable,
  orgId: string,
  after: string | undefined,
  limit: number,
): Promise<readonly Script[]> {
  const sql = `SELECT ${COLUMNS} FROM script WHERE org_id = $1 AND id COLLATE "C" > $2 ORDER BY id COLLATE "C" LIMIT $3`;
  return (await db.query<Row>(sql, [orgId, after ?? '', limit])).rows.map(script);
}

/** @throws ProblemError when it is not there */
export async function getScript(
  db: Queryable,
  orgId: string,
  id: string,
): Promise<{ readonly script: Script; readonly rowVersion: number }> {
  const row = (await db.query<Row>(`SELECT ${COLUMNS} FROM script WHERE org_id = $1 AND id = $2`, [orgId, id])).rows[0];
  if (!row) throw notFound(`script "${id}" in organization "${orgId}"`);
  return { script: script(row), rowVersion: row.row_version };
}

/** Number of the latest version, 0 before the first publish; undefined when there is no such script. */
export async function latestVersion(db: Queryable, orgId: string, id: string): Promise<number | undefined> {
  return (
    await db.query<{ latest_version: number }>('SELECT latest_version FROM script WHERE org_id = $1 AND id = $2', [
      orgId,
      id,
    ])
  ).rows[0]?.latest_version;
}

/** @throws ProblemError when the id is taken */
export async function insertScript(
  db: Queryable,
  orgId: string,
  id: string,
  name: string,
  draft: ScriptDocumentJson | undefined,
): Promise<void> {
  try {
    await db.query('INSERT INTO script (org_id, id, name, draft) VALUES ($1, $2, $3, $4::jsonb)', [
      orgId,
      id,
      name,
      draft === undefined ? null : JSON.stringify(draft),
    ]);
  } catch (error) {
    if (hasSqlState(error, UNIQUE_VIOLATION))
      throw new ProblemError('ALREADY_EXISTS', `There is a script "${id}" already`);
    throw error;
  }
}

export async function renameScript(db: Queryable, orgId: string, id: string, name: string): Promise<void> {
  await db.query(
    'UPDATE script SET name = $3, row_version = row_version + 1, updated_at = now() WHERE org_id = $1 AND id = $2',
    [orgId, id, name],
  );
}

/** @throws ProblemError while a campaign uses it */
export async function deleteScript(db: Queryable, orgId: string, id: string): Promise<void> {
  try {
    await db.query('DELETE FROM script WHERE org_id = $1 AND id = $2', [orgId, id]);
  } catch (error) {
    if (hasSqlState(error, FOREIGN_KEY_VIOLATION))
      throw new ProblemError('IN_USE', `A campaign runs script "${id}": give it another one first`);
    throw error;
  }
}

/** The draft: what was saved, else the latest version, else nothing. */
export interface DraftRow {
  readonly document: ScriptDocumentJson | null;
  readonly draft_version: number;
}

const DRAFT = `SELECT coalesce(s.draft, v.document) AS document, s.draft_version FROM script s
LEFT JOIN script_version v ON v.org_id = s.org_id AND v.script_id = s.id AND v.version = s.latest_version
WHERE s.org_id = $1 AND s.id = $2`;

/** @throws ProblemError when the script is not there */
export async function getDraft(db: Queryable, orgId: string, id: string): Promise<DraftRow> {
  const row = (await db.query<DraftRow>(DRAFT, [orgId, id])).rows[0];
  if (!row) throw notFound(`script "${id}" in organization "${orgId}"`);
  return row;
}

export async function saveDraft(db: Queryable, orgId: string, id: string, document: ScriptDocumentJson): Promise<void> {
  const sql =
    'UPDATE script SET draft = $3::jsonb, draft_version = draft_version + 1, updated_at = now() WHERE org_id = $1 AND id = $2';
  await db.query(sql, [orgId, id, JSON.stringify(document)]);
}

export interface VersionRow {
  readonly version: number;
  readonly document: ScriptDocumentJson;
  readonly sha256: string;
  readonly note: string;
  readonly published_at: Date;
  readonly published_by: string;
}

export async function listVersions(
  db: Queryable,
  orgId: string,
  id: string,
  before: number,
  limit: number,
): Promise<readonly Omit<VersionRow, 'document'>[]> {
  const sql = `SELECT version, sha256, note, published_at, published_by FROM script_version
    WHERE org_id = $1 AND script_id = $2 AND version < $3 ORDER BY version DESC LIMIT $4`;
  return (await db.query<VersionRow>(sql, [orgId, id, before, limit])).rows;
}

const VERSION = `SELECT version, document, sha256, note, published_at, published_by FROM script_version
WHERE org_id = $1 AND script_id = $2 AND version = $3`;

export async function findVersion(
  db: Queryable,
  orgId: string,
  id: string,
  version: number,
): Promise<VersionRow | undefined> {
  return (await db.query<VersionRow>(VERSION, [orgId, id, Math.min(version, 2_147_483_647)])).rows[0];
}

/** @throws ProblemError when it is not there */
export async function getVersion(db: Queryable, orgId: string, id: string, version: number): Promise<VersionRow> {
  const row = await findVersion(db, orgId, id, version);
  if (!row) throw notFound(`version ${version} of script "${id}"`);
  return row;
}

const RAISE = `UPDATE script SET latest_version = latest_version + 1, updated_at = now(),
  draft_version = draft_version + (draft IS NULL)::integer
WHERE org_id = $1 AND id = $2 RETURNING latest_version`;

const INSERT_VERSION = `INSERT INTO script_version (org_id, script_id, version, document, sha256, note, published_by)
VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7)`;

/**
 * Writes the next version; the caller holds the organization's row, so that numbers have no holes. A draft that somebody has saved stays as it is,
 * and where there is none, the new version is what the draft shows from now on.
 */
export async function insertVersion(
  tx: Queryable,
  orgId: string,
  id: string,
  { document, sha256, note, published_by }: Omit<VersionRow, 'version' | 'published_at'>,
): Promise<number> {
  const { rows } = await tx.query<{ latest_version: number }>(RAISE, [orgId, id]);
  const number = rows[0]?.latest_version;
  if (number === undefined) throw notFound(`script "${id}" in organization "${orgId}"`);
  await tx.query(INSERT_VERSION, [orgId, id, number, JSON.stringify(document), sha256, note, published_by]);
  return number;
}

function script({ latest_version, row_version, created_at, updated_at, ...row }: Row): Script {
  return {
    ...row,
    latest_version: latest_version === 0 ? null : latest_version,
    etag: etagOf(row_version),
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
  };
}

/** The secrets of an organization with a mask for each value: a simulation needs that they are there, and shows all that it does. */
export async function maskedSecrets(db: Queryable, orgId: string): Promise<ReadonlyMap<string, string>> {
  const sql = 'SELECT name FROM secret WHERE org_id = $1 AND sealed IS NOT NULL';
  const { rows } = await db.query<{ name: string }>(sql, [orgId]);
  return new Map(rows.map(({ name }) => [name, '***']));
}
