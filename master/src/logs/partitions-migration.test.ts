import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentRecord, callEvent, callRecord } from '../../../test/services/records.ts';
import { type Database, migrate, pgliteDatabase } from '../database/index.ts';
import { dayOf, uuidTime } from './uuid-day.ts';

const MIGRATIONS = join(import.meta.dirname, '../../migrations');
const OLD = '01936f5e-0000-7000-8000-000000000000';
const RANDOM = '6b1f7f0e-3c43-4c5e-9d9b-0d9f6a3c1a11';

let db: Database;
let folder: string;
const calls = [callRecord(), callRecord({ call_id: OLD }), callRecord({ call_id: RANDOM })];
const events = [callEvent(), callEvent({ id: OLD }), callEvent({ id: RANDOM })];
const agents = [
  agentRecord({ state: 'paused', since: '2026-01-01T00:00:02.000Z' }),
  agentRecord({ since: '2026-01-01T00:00:01.000Z' }),
];

beforeAll(async () => {
  db = pgliteDatabase(await PGlite.create());
  folder = await mkdtemp(join(tmpdir(), 'voiceoi-migrations-'));
  await cp(join(MIGRATIONS, '0001_initial.sql'), join(folder, '0001_initial.sql'));
  await migrate(db, folder);
  await db.query(`INSERT INTO organization (id, name) VALUES ('abc', 'ABC')`);
  for (const call of calls)
    await db.query(
      `INSERT INTO call_record (id, org_id, call_id, node_id, campaign_id, outcome, started_at, record)
       VALUES ($1, 'abc', $2, 'n', '123', 'completed', $3, $4::jsonb)`,
      [call.id, call.call_id, call.started_at, JSON.stringify(call)],
    );
  for (const { id, call_id, ...rest } of events)
    await db.query(
      `INSERT INTO call_event (id, org_id, call_id, seq, occurred_at, record) VALUES ($1, 'abc', $2, 0, now(), $3::jsonb)`,
      [id, call_id, JSON.stringify({ id, call_id, ...rest })],
    );
  for (const record of agents)
    await db.query(
      `INSERT INTO activity_record (id, org_id, type, occurred_at, record) VALUES ($1, 'abc', 'agent', now(), $2::jsonb)`,
      [record.id, JSON.stringify(record)],
    );
  expect(await migrate(db)).toContain('0002_partitions.sql');
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

const rows = async (sql: string) => (await db.query(sql)).rows;
const today = (): string => dayOf(Date.now());

test('records that were there before lie in the partitions of their days, as they were', async () => {
  const moved = await rows('SELECT call_id, day::text, record FROM call_record ORDER BY call_id');
  const day = (id: string): string => (id === RANDOM ? today() : dayOf(uuidTime(id) ?? 0));
  const wanted = calls.map((record) => ({ call_id: record.call_id, day: day(record.call_id), record }));
  expect(moved).toEqual(wanted.sort((a, b) => (a.call_id < b.call_id ? -1 : 1)));
  const steps = await rows('SELECT id, day::text, record FROM call_event ORDER BY id');
  const wantedSteps = events.map((record) => ({ id: record.id, day: day(record.id), record }));
  expect(steps).toEqual(wantedSteps.sort((a, b) => (a.id < b.id ? -1 : 1)));
  expect(await rows('SELECT count(*) AS n FROM activity_record')).toEqual([{ n: 2 }]);
});

test('what agents did last before is what they do', async () => {
  expect(await rows('SELECT agent, state FROM agent_state')).toEqual([{ agent: '1001', state: 'paused' }]);
});

test('nothing is left of the old tables', async () => {
  const names = await rows(`SELECT relname FROM pg_class WHERE relname LIKE '%0001%' OR relname = 'call_record_pkey'`);
  expect(names).toEqual([]);
});
