import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { type Database, POSTGRES_TYPES, pgliteDatabase, postgresDatabase } from '../../master/src/database/index.ts';
import { startPostgres } from './postgres.ts';

/** A database of one test, empty. */
export interface OpenedDatabase {
  readonly database: Database;
  close(): Promise<void>;
}

export async function openEmbedded(): Promise<OpenedDatabase> {
  const database = pgliteDatabase(await PGlite.create());
  return { database, close: () => database.close() };
}

/** On a real server, as its superuser. */
export async function openPostgres(): Promise<OpenedDatabase> {
  const service = await startPostgres();
  const database = open(service.url);
  return {
    database,
    close: async () => {
      await database.close();
      await service.stop();
    },
  };
}

/** On a real server, as a user who owns the tables and nothing more, as on a managed one. */
export async function openPostgresAsOwner(): Promise<OpenedDatabase> {
  const service = await startPostgres();
  const root = new pg.Pool({ connectionString: service.url, max: 1 });
  // The database is dropped under connections that are still closing.
  root.on('error', () => {});
  const owner = `owner_${service.database}`;
  await root.query(`CREATE ROLE ${owner} LOGIN NOSUPERUSER NOCREATEROLE PASSWORD 'x'`);
  await root.query(`GRANT ALL ON SCHEMA public TO ${owner}`);
  const url = new URL(service.url);
  [url.username, url.password] = [owner, 'x'];
  const database = open(url.toString());
  return {
    database,
    close: async () => {
      await database.close();
      await root.query(`DROP OWNED BY ${owner}; DROP ROLE ${owner}`);
      await root.end();
      await service.stop();
    },
  };
}

function open(connectionString: string): Database {
  return postgresDatabase(new pg.Pool({ connectionString, max: 10, types: POSTGRES_TYPES }));
}
