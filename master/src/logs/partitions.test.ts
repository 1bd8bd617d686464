import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, migrate, pgliteDatabase } from '../database/index.ts';
import { logPartitions } from './partitions.ts';
import { dayOf } from './uuid-day.ts';

const DAY_MS = 86_400_000;
let db: Database;
beforeAll(async () => {
  db = pgliteDatabase(await PGlite.create());
  await migrate(db);
});
afterAll(() => db.close());

async function partitions(): Promise<readonly string[]> {
  const sql = `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'call_record'::regclass`;
  return (await db.query<{ name: string }>(sql)).rows.map(({ name }) => name);
}

test('a master whose clock is a year ahead drops nothing that is kept', async () => {
  const now = Date.now();
  await logPartitions(db).keep(now, 90);
  expect(await logPartitions(db).keep(now + 365 * DAY_MS, 90)).toEqual([]);
  expect(await partitions()).toContain(`call_record_p${dayOf(now).replaceAll('-', '')}`);
});

test('partitions that somebody else has made are theirs to drop', async () => {
  await db.query('CREATE TABLE call_record_archive (LIKE call_record INCLUDING ALL)');
  await db.query('CREATE TABLE call_record_default (LIKE call_record INCLUDING ALL)');
  await db.query(
    `ALTER TABLE call_record ATTACH PARTITION call_record_archive FOR VALUES FROM (MINVALUE) TO ('2021-01-01')`,
  );
  await db.query('ALTER TABLE call_record ATTACH PARTITION call_record_default DEFAULT');
  await logPartitions(db).ensure('call_record', ['2022-01-01']);
  expect(await logPartitions(db).keep(Date.now(), 90)).toEqual(['call_record_p20220101']);
  expect(await partitions()).toEqual(expect.arrayContaining(['call_record_archive', 'call_record_default']));
});

test('a partition that somebody holds on to keeps no other one from going', async () => {
  const days = ['2022-03-01', '2022-03-02'];
  await logPartitions(db).ensure('call_record', days);
  await logPartitions(db).ensure('activity_record', days);
  await db.query('CREATE VIEW report AS SELECT * FROM call_record_p20220301');
  await expect(logPartitions(db).keep(Date.now(), 90)).rejects.toThrow('call_record_p20220301');
  expect(await partitions()).not.toContain('call_record_p20220302');
  expect(await partitions()).toContain('call_record_p20220301');
  await db.query('DROP VIEW report');
  expect(await logPartitions(db).keep(Date.now(), 90)).toEqual(['call_record_p20220301']);
});
