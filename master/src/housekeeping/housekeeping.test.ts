import { PGlite } from '@electric-sql/pglite';
import { createLogger } from '@voiceoi/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, migrate, pgliteDatabase } from '../database/index.ts';
import { logPartitions } from '../logs/index.ts';
import { startHousekeeping } from './index.ts';

let db: Database;
beforeAll(async () => {
  db = pgliteDatabase(await PGlite.create());
  await migrate(db);
});
afterAll(() => db.close());

test('records that cannot be dropped keep nothing else from being trimmed', async () => {
  await db.query("INSERT INTO sign_in_limit (subject, updated_at) VALUES ('x', now() - interval '10 days')");
  const partitions = logPartitions(db);
  await partitions.ensure('call_record', ['2022-03-01']);
  await db.query('CREATE VIEW report AS SELECT * FROM call_record_p20220301');
  const lines: string[] = [];
  const log = createLogger({ level: 'warn', mode: 'test', stream: { write: (line) => lines.push(line) } });
  const housekeeping = startHousekeeping({ database: db, partitions, retentionDays: 90, log });
  await housekeeping.look(Date.now());
  housekeeping.stop();
  expect(lines.join('')).toContain('will try again');
  expect((await db.query('SELECT 1 FROM sign_in_limit')).rows).toEqual([]);
});
