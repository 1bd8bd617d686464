import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, Queryable } from './port.ts';

/** A migration as it stands in `master/migrations`: `0001_initial.sql`. */
interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  readonly sha256: string;
  /** It takes away what earlier versions use. */
  readonly isContract: boolean;
}

/** The database and this version of VoiceOI do not belong together. */
export class MigrationError extends Error {
  readonly code = 'MIGRATION';
}

const FOLDER = join(import.meta.dirname, '../../migrations');
/** Key of the advisory lock: several masters may start at once, and one of them migrates. */
const LOCK = 0x766f6963;

const JOURNAL = `CREATE TABLE IF NOT EXISTS schema_migration (
  version integer PRIMARY KEY,
  name text NOT NULL,
  sha256 text NOT NULL,
  contract boolean NOT NULL DEFAULT false,
  applied_at timestamptz NOT NULL DEFAULT now()
)`;

/**
 * Brings the database to this version: plain SQL files, forward only, all in one transaction under a lock. Returns the names of what was applied. A
 * database that a newer version has added to is used as it is, since old and new masters run side by side during an upgrade; a migration that takes
 * something away begins with `-- contract`, and comes a version after the last one that uses it.
 * @throws MigrationError when a migration was changed after it was applied, or the database is too new for this version
 */
export async function migrate(database: Database, folder: string = FOLDER): Promise<readonly string[]> {
  const migrations = await readMigrations(folder);
  return database.transaction(async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    await tx.query(JOURNAL);
    const missing = await missingMigrations(tx, migrations);
    for (const { version, name, sql, sha256, isContract } of missing) {
      for (const statement of splitStatements(sql)) await tx.query(statement);
      const insert = 'INSERT INTO schema_migration (version, name, sha256, contract) VALUES ($1, $2, $3, $4)';
      await tx.query(insert, [version, name, sha256, isContract]);
    }
    return missing.map(({ name }) => name);
  });
}

async function missingMigrations(tx: Queryable, migrations: readonly Migration[]): Promise<readonly Migration[]> {
  const { rows } = await tx.query<{ version: number; name: string; sha256: string; contract: boolean }>(
    'SELECT version, name, sha256, contract FROM schema_migration',
  );
  const newest = Math.max(...migrations.map(({ version }) => version));
  const applied = new Map(rows.map((row) => [row.version, row]));
  for (const row of rows) {
    const known = migrations.find(({ version }) => version === row.version);
    if (!known && row.version > newest && !row.contract) continue;
    if (!known)
      throw new MigrationError(
        `the database is too new for this version of VoiceOI: it has ${row.name}, which is not known here`,
      );
    if (known.sha256 !== row.sha256)
      throw new MigrationError(
        `${known.name} was changed after it was applied: put it back, and write a new migration`,
      );
  }
  return migrations.filter(({ version }) => !applied.has(version));
}

async function readMigrations(folder: string): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(folder, name), 'utf8');
      const sha256 = createHash('sha256').update(sql).digest('hex');
      return { version: Number(name.slice(0, 4)), name, sql, sha256, isContract: sql.startsWith('-- contract') };
    }),
  );
}

/** Statements of a file, one by one: in a transaction of a pool only one can be sent at a time. Migrations hold no semicolon but at an end of line. */
function splitStatements(sql: string): readonly string[] {
  return sql
    .split(/;[ \t]*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement.replace(/^--.*$/gm, '').trim() !== '');
}
