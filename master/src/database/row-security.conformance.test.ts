import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type OpenedDatabase,
  openEmbedded,
  openPostgres,
  openPostgresAsOwner,
} from '../../../test/services/databases.ts';
import { migrate } from './migrations.ts';
import type { Database } from './port.ts';
import { type ScopedDatabase, scopedDatabase } from './scope.ts';

describe.each<[string, () => Promise<OpenedDatabase>]>([
  ['the embedded database', openEmbedded],
  ['Postgres, as a superuser', openPostgres],
  ['Postgres, as the owner of the tables', openPostgresAsOwner],
])('row-level security in %s', (_name, open) => {
  let opened: OpenedDatabase;
  let scoped: ScopedDatabase;
  const as = <T>(scope: string, work: (database: Database) => Promise<T>): Promise<T> =>
    scoped.run(scope, () => work(scoped.database));
  const names = async (database: Database): Promise<unknown[]> =>
    (await database.query<{ org_id: string; id: string }>('SELECT org_id, id FROM script ORDER BY 1')).rows.map(
      ({ org_id }) => org_id,
    );

  beforeAll(async () => {
    opened = await open();
    await migrate(opened.database);
    for (const org of ['one', 'two']) {
      await opened.database.query('INSERT INTO organization (id, name) VALUES ($1, $1)', [org]);
      await opened.database.query("INSERT INTO script (org_id, id, name) VALUES ($1, 's', 'S')", [org]);
    }
    scoped = scopedDatabase(opened.database);
  });
  afterAll(() => opened.close());

  test('is forced on every table that has rows of organizations, as they are now and will be', async () => {
    const { rows } = await opened.database.query(
      `SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
         AND (a.attname = 'org_id' OR (c.relname = 'organization' AND a.attname = 'id'))
         AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`,
    );
    expect(rows).toEqual([]);
  });

  test('a store that forgets its WHERE gets the rows of its own organization', async () => {
    expect(await as('one', names)).toEqual(['one']);
    expect(await as('two', names)).toEqual(['two']);
    expect(await as('one', async (db) => (await db.query('SELECT id FROM organization')).rows)).toEqual([
      { id: 'one' },
    ]);
  });

  test('outside of any organization nothing is shown; the master itself sees everything', async () => {
    expect(await names(scoped.database)).toEqual([]);
    expect(await as('*', names)).toEqual(['one', 'two']);
    expect(await names(opened.database)).toEqual(['one', 'two']);
  });

  test('nothing foreign can be written, changed or deleted', async () => {
    const insert = "INSERT INTO script (org_id, id, name) VALUES ('two', 'forged', 'S')";
    await expect(as('one', (db) => db.query(insert))).rejects.toMatchObject({ code: '42501' });
    expect(await as('one', async (db) => (await db.query("UPDATE script SET name = 'x'")).rowCount)).toBe(1);
    expect(await as('one', async (db) => (await db.query("DELETE FROM script WHERE org_id = 'two'")).rowCount)).toBe(0);
    await expect(as('one', (db) => db.query("UPDATE script SET org_id = 'two', id = 'moved'"))).rejects.toMatchObject({
      code: '42501',
    });
  });

  test('a transaction keeps the scope that it began in, and the next one on the connection has its own', async () => {
    const inside = await as('one', (db) =>
      db.transaction(async (tx) => {
        const before = (await tx.query('SELECT id FROM organization')).rows.length;
        return scoped.run('two', async () => [before, (await tx.query('SELECT id FROM organization')).rows.length]);
      }),
    );
    expect(inside).toEqual([1, 1]);
    expect(await names(opened.database)).toEqual(['one', 'two']);
  });

  test('nothing but an organization’s id can be a scope', async () => {
    for (const bad of ["x'; RESET ROLE; --", '*x', 'A', "one' OR '1"])
      await expect(as(bad, names)).rejects.toThrow('a scope is');
  });
});
