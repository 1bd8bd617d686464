import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { migrate } from './migrations.ts';
import { pgliteDatabase } from './pglite.ts';
import type { Database } from './port.ts';

let db: Database;
let folder: string;
beforeAll(async () => {
  db = pgliteDatabase(await PGlite.create());
});
afterAll(() => db.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voiceoi-migrations-'));
  await db.exec('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  await write(
    '0001_one.sql',
    '-- The first; it has a comment.\nCREATE TABLE one (n int);\nINSERT INTO one VALUES (1);\n',
  );
});
afterEach(() => rm(folder, { recursive: true }));

const write = (name: string, sql: string): Promise<void> => writeFile(join(folder, name), sql);
const count = async (table: string): Promise<number> => (await db.query(`SELECT * FROM ${table}`)).rowCount;

test('new migrations are applied once, in their order', async () => {
  expect(await migrate(db, folder)).toEqual(['0001_one.sql']);
  await write('0003_three.sql', 'INSERT INTO two SELECT n FROM one;');
  await write('0002_two.sql', 'CREATE TABLE two (n int);');
  await write('README.md', 'no migration');
  expect(await migrate(db, folder)).toEqual(['0002_two.sql', '0003_three.sql']);
  expect(await migrate(db, folder)).toEqual([]);
  expect(await count('one')).toBe(1);
  expect(await count('two')).toBe(1);
});

test('a migration that fails leaves nothing behind, and can be tried again', async () => {
  await write('0002_two.sql', 'CREATE TABLE two (n int);\nSELECT nonsense;');
  await expect(migrate(db, folder)).rejects.toMatchObject({ code: '42703' });
  await expect(count('two')).rejects.toMatchObject({ code: '42P01' });
  await write('0002_two.sql', 'CREATE TABLE two (n int);');
  expect(await migrate(db, folder)).toEqual(['0001_one.sql', '0002_two.sql']);
});

test('a migration that was changed after it was applied is named', async () => {
  await migrate(db, folder);
  await write('0001_one.sql', 'CREATE TABLE one (n bigint);');
  await expect(migrate(db, folder)).rejects.toMatchObject({ code: 'MIGRATION', message: /0001_one\.sql was changed/ });
});

test('a database that a newer version has added to is used as it is, as during an upgrade', async () => {
  await write('0002_two.sql', 'CREATE TABLE two (n int);');
  await migrate(db, folder);
  await rm(join(folder, '0002_two.sql'));
  expect(await migrate(db, folder)).toEqual([]);
});

test('a database that a newer version has taken something from is refused and left alone', async () => {
  await write('0002_two.sql', '-- contract: nothing reads it since version 2.\nDROP TABLE one;');
  await migrate(db, folder);
  await rm(join(folder, '0002_two.sql'));
  await expect(migrate(db, folder)).rejects.toMatchObject({ code: 'MIGRATION', message: /too new.*0002_two\.sql/ });
});

test('a database that has gone another way is refused and left alone', async () => {
  await write('0002_two.sql', 'CREATE TABLE two (n int);');
  await migrate(db, folder);
  await rm(join(folder, '0002_two.sql'));
  await write('0003_three.sql', 'CREATE TABLE three (n int);');
  await expect(migrate(db, folder)).rejects.toMatchObject({ code: 'MIGRATION', message: /too new.*0002_two\.sql/ });
  await expect(count('three')).rejects.toMatchObject({ code: '42P01' });
});
