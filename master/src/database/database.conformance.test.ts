import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startFaultProxy } from '../../../test/services/fault-proxy.ts';
import { postgresSkipReason, startPostgres } from '../../../test/services/postgres.ts';
import { FOREIGN_KEY_VIOLATION, hasSqlState, UNIQUE_VIOLATION } from './error.ts';
import { migrate } from './migrations.ts';
import { pgliteDatabase } from './pglite.ts';
import type { Database } from './port.ts';
import { POSTGRES_TYPES, postgresDatabase } from './postgres.ts';

const skipped = postgresSkipReason();

async function openPglite() {
  const database = pgliteDatabase(await PGlite.create());
  return { database, close: () => database.close() };
}

async function openPostgres() {
  const service = await startPostgres();
  const database = postgresDatabase(new pg.Pool({ connectionString: service.url, max: 8, types: POSTGRES_TYPES }));
  return {
    database,
    close: async () => {
      await database.close();
      await service.stop();
    },
  };
}

/** Waits for a condition that another transaction brings about. */
function gate() {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

describe.each([
  ['PGlite', false],
  ['Postgres', true],
])('a database in %s', (name, isReal) => {
  const isSkipped = isReal && skipped !== undefined;
  const check = test.skipIf(isSkipped);
  let opened: { readonly database: Database; close(): Promise<void> };
  let db: Database;
  beforeAll(async () => {
    if (isSkipped) return;
    opened = isReal ? await openPostgres() : await openPglite();
    db = opened.database;
  });
  beforeEach(async () => {
    if (isSkipped) return;
    await db.exec(`DROP TABLE IF EXISTS child; DROP TABLE IF EXISTS counter;
      CREATE TABLE counter (id text PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
      CREATE TABLE child (id text REFERENCES counter (id));
      INSERT INTO counter (id) VALUES ('a'), ('b');`);
  });
  afterAll(() => (isSkipped ? undefined : opened.close()));

  const scalar = async (expression: string, parameters?: readonly unknown[]): Promise<unknown> =>
    (await db.query<{ v: unknown }>(`SELECT ${expression} AS v`, parameters)).rows[0]?.v;

  check.each([
    ['9007199254740991::int8', 9007199254740991],
    ['7::int4', 7],
    ['1.5::float8', 1.5],
    ['1.50::numeric', '1.50'],
    ['true', true],
    ['NULL::text', null],
    [`'01936f5e-0000-7000-8000-000000000000'::uuid`, '01936f5e-0000-7000-8000-000000000000'],
    [`'2026-11-24T10:00:00.123Z'::timestamptz`, new Date('2026-11-24T10:00:00.123Z')],
    [`'{"a": [1, null, "x"]}'::jsonb`, { a: [1, null, 'x'] }],
    [`'[]'::json`, []],
    [`ARRAY['a', 'b']::text[]`, ['a', 'b']],
    [`(SELECT count(*) FROM counter)`, 2],
  ])(`reads %s as %o (${name})`, async (sql, value) => expect(await scalar(sql)).toEqual(value));

  check(`reads bytea as bytes, and writes it (${name})`, async () => {
    const bytes = new Uint8Array([0, 255, 92, 39]);
    const read = await scalar('$1::bytea', [bytes]);
    expect(read).toBeInstanceOf(Uint8Array);
    expect([...(read as Uint8Array)]).toEqual([...bytes]);
  });

  check(`takes parameters as they are (${name})`, async () => {
    const at = new Date('2026-11-24T10:00:00.123Z');
    expect(await scalar('$1::text', [`'; DROP TABLE counter; -- \\ ü 🙂`])).toBe(`'; DROP TABLE counter; -- \\ ü 🙂`);
    expect(await scalar('$1::timestamptz', [at])).toEqual(at);
    expect(await scalar('$1::jsonb', [JSON.stringify({ a: "it's" })])).toEqual({ a: "it's" });
    expect(await scalar('$1::text[]', [['x', 'y,z', '"']])).toEqual(['x', 'y,z', '"']);
    expect(await scalar('$1::int8', [null])).toBeNull();
  });

  check(`counts the rows that a statement touched (${name})`, async () => {
    expect((await db.query('UPDATE counter SET n = 1')).rowCount).toBe(2);
    expect((await db.query(`UPDATE counter SET n = 2 WHERE id = 'c'`)).rowCount).toBe(0);
    expect((await db.query('DELETE FROM counter RETURNING id')).rowCount).toBe(2);
    expect((await db.query('SELECT * FROM counter')).rowCount).toBe(0);
  });

  check(`tells by code and constraint why it refused (${name})`, async () => {
    const refused = db.query(`INSERT INTO counter (id) VALUES ('a')`);
    await expect(refused).rejects.toMatchObject({ code: UNIQUE_VIOLATION, constraint: 'counter_pkey' });
    await expect(db.query(`INSERT INTO child VALUES ('x')`)).rejects.toMatchObject({ code: FOREIGN_KEY_VIOLATION });
    const missing = await db.query('SELECT * FROM nowhere').catch((error: unknown) => error);
    expect(hasSqlState(missing, '42P01')).toBe(true);
    expect(hasSqlState(missing, UNIQUE_VIOLATION)).toBe(false);
  });

  check(`commits what a transaction did, and gives back what it returned (${name})`, async () => {
    const result = await db.transaction(async (tx) => {
      await tx.query(`UPDATE counter SET n = 5 WHERE id = 'a'`);
      return (await tx.query<{ n: number }>(`SELECT n FROM counter WHERE id = 'a'`)).rows[0]?.n;
    });
    expect(result).toBe(5);
    expect(await scalar(`(SELECT n FROM counter WHERE id = 'a')`)).toBe(5);
  });

  check(`rolls back whatever made a transaction end early, and goes on (${name})`, async () => {
    const failed = db.transaction(async (tx) => {
      await tx.query('UPDATE counter SET n = 9');
      throw new Error('changed my mind');
    });
    await expect(failed).rejects.toThrow('changed my mind');
    const refused = db.transaction(async (tx) => {
      await tx.query('UPDATE counter SET n = 9');
      await tx.query(`INSERT INTO counter (id) VALUES ('a')`);
    });
    await expect(refused).rejects.toMatchObject({ code: UNIQUE_VIOLATION });
    expect(await scalar('(SELECT sum(n)::int8 FROM counter)')).toBe(0);
  });

  check(`gives every revision once to transactions that run at the same time (${name})`, async () => {
    const raise = () =>
      db.transaction(async (tx) => {
        const { rows } = await tx.query<{ n: number }>(`UPDATE counter SET n = n + 1 WHERE id = 'a' RETURNING n`);
        await tx.query('SELECT 1');
        return rows[0]?.n;
      });
    const revisions = await Promise.all(Array.from({ length: 40 }, raise));
    expect(revisions.toSorted((a = 0, b = 0) => a - b)).toEqual(Array.from({ length: 40 }, (_v, index) => index + 1));
  });

  check(`never shows outside what a transaction has not committed (${name})`, async () => {
    const [written, seen] = [gate(), gate()];
    const writing = db.transaction(async (tx) => {
      await tx.query(`UPDATE counter SET n = 7 WHERE id = 'a'`);
      written.open();
      // PGlite has one connection: there the reader waits for the commit, and must not be waited for.
      if (isReal) await seen.passed;
    });
    await written.passed;
    const read = scalar(`(SELECT n FROM counter WHERE id = 'a')`).finally(seen.open);
    expect(await read).toBe(isReal ? 0 : 7);
    await writing;
  });

  check(`lets queries outside pass between transactions (${name})`, async () => {
    const order: string[] = [];
    const transaction = (mark: string) =>
      db.transaction(async (tx) => void (await tx.query('SELECT 1').then(() => order.push(mark))));
    await Promise.all([transaction('1'), db.query('SELECT 2').then(() => order.push('2')), transaction('3')]);
    expect(order.toSorted()).toEqual(['1', '2', '3']);
  });

  check(`migrates once, however many start at the same time (${name})`, async () => {
    const applied = await Promise.all([migrate(db), migrate(db), migrate(db)]);
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
    expect(await migrate(db)).toEqual([]);
    expect(await scalar(`to_regclass('change_log') IS NOT NULL`)).toBe(true);
  });
});

describe('Postgres', () => {
  test.skipIf(skipped !== undefined)('may cut every connection: the next query works', async () => {
    const service = await startPostgres();
    const database = postgresDatabase(new pg.Pool({ connectionString: service.url, max: 3, types: POSTGRES_TYPES }));
    await Promise.all([1, 2, 3].map(() => database.query('SELECT pg_sleep(0.05)')));
    const other = new pg.Client({ connectionString: service.url });
    await other.connect();
    const cut = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()';
    const inside = database.transaction(async (tx) => {
      await other.query(cut, [service.database]);
      await tx.query('SELECT 1');
    });
    await expect(inside).rejects.toThrow();
    await expect
      .poll(() =>
        database.query('SELECT 1').then(
          ({ rowCount }) => rowCount,
          () => 0,
        ),
      )
      .toBe(1);
    await other.end();
    await database.close();
    await service.stop();
  });

  test.skipIf(skipped !== undefined)(
    'may fall silent: what waits for it gives up, and the next query finds another way',
    async () => {
      const service = await startPostgres();
      const proxy = await startFaultProxy(service);
      const url = new URL(service.url);
      url.port = String(proxy.port);
      const pool = new pg.Pool({ connectionString: url.toString(), max: 3, types: POSTGRES_TYPES, query_timeout: 300 });
      const database = postgresDatabase(pool);
      await Promise.all([1, 2, 3].map(() => database.query('SELECT pg_sleep(0.05)')));
      proxy.set({ kind: 'half-open' });
      const asked = [database.query('SELECT 1'), database.transaction((tx) => tx.query('SELECT 1'))];
      const startedAt = performance.now();
      const answers = await Promise.allSettled(asked);
      expect(answers).toMatchObject(asked.map(() => ({ status: 'rejected', reason: { code: 'DATABASE_AWAY' } })));
      // Not twice the time, as with a rollback over the same connection.
      expect(performance.now() - startedAt).toBeLessThan(550);
      await database.query('SELECT 1').catch(() => {});
      expect(await database.transaction((tx) => tx.query('SELECT 1'))).toMatchObject({ rowCount: 1 });
      await database.close();
      await proxy.close();
      await service.stop();
    },
  );
});
