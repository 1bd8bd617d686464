import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PostgresService, postgresSkipReason, startPostgres } from '../../../test/services/postgres.ts';
import {
  type Database,
  hasSqlState,
  migrate,
  POSTGRES_TYPES,
  pgliteDatabase,
  postgresDatabase,
  UNIQUE_VIOLATION,
} from './index.ts';

interface Opened {
  readonly database: Database;
  /** Another connection to the same data. */
  readonly second: Database;
  close(): Promise<void>;
}

async function openPglite(): Promise<Opened> {
  const database = pgliteDatabase(await PGlite.create());
  return { database, second: database, close: () => database.close() };
}

async function openPostgres(): Promise<Opened> {
  const service: PostgresService = await startPostgres();
  const open = (): Database => postgresDatabase(new Pool({ connectionString: service.url, types: POSTGRES_TYPES }));
  const [database, second] = [open(), open()];
  return {
    database,
    second,
    close: async () => {
      await Promise.all([database.close(), second.close()]);
      await service.stop();
    },
  };
}

const ADAPTERS = [
  ['PGlite', openPglite, undefined],
  ['Postgres', openPostgres, postgresSkipReason()],
] as const;

describe.each(ADAPTERS)('database: %s', (_name, open, skipReason) => {
  describe.skipIf(skipReason)('as its port says', () => {
    let opened: Opened;
    beforeAll(async () => {
      opened = await open();
      await opened.database.exec('CREATE TABLE t (id bigint PRIMARY KEY, v text); CREATE TABLE u (id int)');
    });
    afterAll(() => opened?.close());

    test('maps values alike', async () => {
      const sql = `SELECT 9007199254740991::int8 AS i8, 7::int4 AS i4, 1.50::numeric AS n, true AS b, 'x' AS t, NULL AS z,
        '{"b": [1, 1.0, "é"]}'::jsonb AS j, '2026-11-24T08:00:00.123Z'::timestamptz AS ts, '01a20d04-85bd-7461-9a5a-cc2195dc5678'::uuid AS u,
        '\\x00ff'::bytea AS y, ARRAY['a','b'] AS a`;
      const row = (await opened.database.query<{ y: Uint8Array }>(sql)).rows[0];
      const { y, ...rest } = row ?? { y: new Uint8Array() };
      expect(rest).toEqual({
        i8: 9007199254740991,
        i4: 7,
        n: '1.50',
        b: true,
        t: 'x',
        z: null,
        j: { b: [1, 1, 'é'] },
        ts: new Date('2026-11-24T08:00:00.123Z'),
        u: '01a20d04-85bd-7461-9a5a-cc2195dc5678',
        a: ['a', 'b'],
      });
      expect([...y]).toEqual([0, 255]);
    });

    test('takes parameters of every kind that the stores send', async () => {
      const sql =
        'SELECT $1::jsonb AS j, $2::text[] AS t, $3::int[] AS i, $4::timestamptz AS ts, $5::bytea AS y, $6::text AS n, $7::jsonb[] AS js';
      const parameters = [
        JSON.stringify({ a: [1] }),
        ['x', 'y"\\'],
        [1, null],
        '2026-11-24T08:00:00.000Z',
        Buffer.from([1, 2]),
        null,
        [JSON.stringify({ a: '"\\' })],
      ];
      const row = (await opened.database.query<{ y: Uint8Array }>(sql, parameters)).rows[0];
      expect({ ...row, y: [...(row?.y ?? [])] }).toEqual({
        j: { a: [1] },
        t: ['x', 'y"\\'],
        i: [1, null],
        ts: new Date('2026-11-24T08:00:00.000Z'),
        y: [1, 2],
        n: null,
        js: [{ a: '"\\' }],
      });
    });

    test('counts rows that were returned or touched', async () => {
      expect((await opened.database.query('INSERT INTO u SELECT generate_series(1, 5)')).rowCount).toBe(5);
      expect((await opened.database.query('SELECT * FROM u')).rowCount).toBe(5);
      expect((await opened.database.query('DELETE FROM u WHERE id < 3')).rowCount).toBe(2);
      expect((await opened.database.query('DELETE FROM u WHERE false')).rowCount).toBe(0);
    });

    test('names the SQLSTATE of a statement that is refused, and lives on', async () => {
      await opened.database.query("INSERT INTO t VALUES (1, 'a')");
      const again = opened.database.query("INSERT INTO t VALUES (1, 'b')").catch((error: unknown) => error);
      expect(hasSqlState(await again, UNIQUE_VIOLATION)).toBe(true);
      expect((await opened.database.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    });

    test('commits what resolves, rolls back what rejects, and hands the error on', async () => {
      await opened.database.transaction((tx) => tx.query("INSERT INTO t VALUES (10, 'in')"));
      const failing = opened.database.transaction(async (tx) => {
        await tx.query("INSERT INTO t VALUES (11, 'out')");
        throw new Error('changed my mind');
      });
      await expect(failing).rejects.toThrow('changed my mind');
      expect((await opened.second.query('SELECT id FROM t WHERE id IN (10, 11)')).rows).toEqual([{ id: 10 }]);
    });

    test('lets transactions that want one row wait for each other, so that no update is lost', async () => {
      await opened.database.query("INSERT INTO t VALUES (20, '0')");
      const raise = (database: Database) =>
        database.transaction(async (tx) => {
          const { rows } = await tx.query<{ v: string }>('SELECT v FROM t WHERE id = 20 FOR UPDATE');
          await tx.query('UPDATE t SET v = $1 WHERE id = 20', [String(Number(rows[0]?.v) + 1)]);
        });
      await Promise.all(Array.from({ length: 20 }, (_, index) => raise(index % 2 ? opened.database : opened.second)));
      expect((await opened.database.query('SELECT v FROM t WHERE id = 20')).rows).toEqual([{ v: '20' }]);
    });

    test('is migrated once, by whoever comes first, and refuses an altered or unknown migration', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'voiceoi-migrations-'));
      const write = (name: string, sql: string): void => writeFileSync(join(folder, name), sql);
      write('0001_one.sql', '-- a comment; with a semicolon\nCREATE TABLE m (id int);\nINSERT INTO m VALUES (1);\n');
      const applied = await Promise.all([migrate(opened.database, folder), migrate(opened.second, folder)]);
      expect(applied.flat()).toEqual(['0001_one.sql']);
      write('0002_two.sql', 'CREATE TABLE m2 (id int);\nbroken;\n');
      await expect(migrate(opened.database, folder)).rejects.toThrow();
      expect((await opened.database.query("SELECT to_regclass('m2') AS m2")).rows).toEqual([{ m2: null }]);
      write('0002_two.sql', 'INSERT INTO m VALUES (2);\n');
      expect(await migrate(opened.database, folder)).toEqual(['0002_two.sql']);
      write('0001_one.sql', 'CREATE TABLE m (id bigint);\n');
      await expect(migrate(opened.database, folder)).rejects.toMatchObject({
        code: 'MIGRATION',
        message: expect.stringContaining('was changed'),
      });
      const empty = mkdtempSync(join(tmpdir(), 'voiceoi-migrations-'));
      await expect(migrate(opened.database, empty)).rejects.toMatchObject({
        message: expect.stringContaining('newer'),
      });
      for (const each of [folder, empty]) rmSync(each, { recursive: true, force: true });
    });
  });
});
