import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresSkipReason } from '../../../test/services/postgres.ts';
import { agentRecord, callEvent, callRecord } from '../../../test/services/records.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { parseBatch, type StorableRecord } from './parse.ts';
import { logPartitions, type Partitions } from './partitions.ts';
import { batchStore } from './store.ts';
import { dayOf, shiftDay, timeBounds } from './uuid-day.ts';

const skipped = postgresSkipReason();

describe.each([
  ['PGlite', false],
  ['Postgres', true],
])('records in %s', (name, postgres) => {
  const isSkipped = postgres && skipped !== undefined;
  // The embedded one has a single connection: there is nobody who could wait.
  const onlyPostgres = postgres ? test.skipIf(isSkipped) : () => {};
  let one: TestMaster;
  beforeAll(async () => {
    if (isSkipped) return;
    one = await startTestMaster({ postgres });
    await one.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
  });
  afterAll(() => (isSkipped ? undefined : one.stop()));

  const parsed = (records: readonly object[]): readonly StorableRecord[] =>
    parseBatch(records, 'abc', timeBounds(Date.now(), 90)).records;
  const store = (batches: readonly (readonly object[])[], partitions: Partitions = logPartitions(one.database)) =>
    batchStore(one.database, partitions)(batches.map(parsed));
  const insert = async (records: readonly object[]): Promise<number> => (await store([records]))[0] ?? -1;
  /** A UUIDv7 of that moment. */
  const idAt = (epochMs: number): string => {
    const time = epochMs.toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}${uuidv7().slice(13)}`;
  };
  const count = async (sql: string, parameters: readonly unknown[] = []): Promise<number> =>
    (await one.database.query<{ n: number }>(`SELECT count(*) AS n FROM ${sql}`, parameters)).rows[0]?.n ?? -1;
  const partitionsOf = async (table: string): Promise<readonly string[]> => {
    const sql = 'SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY 1';
    return (await one.database.query<{ name: string }>(sql, [table])).rows.map(({ name }) => name);
  };
  const partitionName = (table: string, day: string): string => `${table}_p${day.replaceAll('-', '')}`;
  const shuffled = <T>(items: readonly T[]): T[] =>
    items
      .map((item) => [Math.random(), item] as const)
      .sort(([a], [b]) => a - b)
      .map(([, item]) => item);

  test.skipIf(isSkipped)(
    `are stored once each when many send the same at the same time, in any order (${name})`,
    async () => {
      const records = Array.from({ length: 300 }, (_value, index) =>
        index % 3 === 0 ? callRecord() : index % 3 === 1 ? callEvent() : agentRecord(),
      );
      const senders = Array.from({ length: 12 }, () => shuffled(records));
      const accepted = await Promise.all(senders.map(insert));
      expect(accepted.reduce((sum, n) => sum + n, 0)).toBe(300);
      const tables = ['call_record', 'call_event', 'activity_record'];
      const counts = await Promise.all(tables.map((table) => count(table)));
      expect(counts.reduce((sum, n) => sum + n, 0)).toBe(300);
    },
  );

  test.skipIf(isSkipped)(`of one call under many ids are stored once, whoever waits for whom (${name})`, async () => {
    const calls = Array.from({ length: 100 }, () => callRecord());
    const senders = Array.from({ length: 8 }, () => shuffled(calls).map(({ call_id }) => callRecord({ call_id })));
    const accepted = await Promise.all(senders.map(insert));
    expect(accepted.reduce((sum, n) => sum + n, 0)).toBe(100);
  });

  onlyPostgres(`do not wait for a publish that is under way (${name})`, async () => {
    let stored = 0;
    await one.master.revisions.change({ orgId: 'abc', actor: 'test' }, async () => {
      stored = await insert([callEvent()]);
    });
    expect(stored).toBe(1);
  });

  onlyPostgres(`are asked for again when their connection is cut, and then stored once (${name})`, async () => {
    const records = [callRecord(), callEvent()];
    const post = () => one.node('abc', 'POST', '/api/sync/logs', { records });
    await one.database.transaction(async (tx) => {
      // Who deletes an organization keeps records of it waiting: long enough to cut their connection.
      await tx.query(`SELECT 1 FROM organization WHERE id = 'abc' FOR UPDATE`);
      const answer = post();
      const cut = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR KEY SHARE%'`;
      await expect.poll(async () => (await one.database.query(cut)).rowCount).toBe(1);
      expect(await answer).toMatchObject({
        status: 503,
        body: { code: 'OVERLOADED' },
        headers: { 'retry-after': '2' },
      });
    });
    expect((await post()).body).toEqual({ accepted: 2, duplicates: 0, rejected: [] });
    expect((await post()).body).toEqual({ accepted: 0, duplicates: 2, rejected: [] });
  });

  test.skipIf(isSkipped)(`of several batches count for the one that brought them first (${name})`, async () => {
    const [a, b, c, d] = [callEvent(), callRecord(), agentRecord(), callEvent()];
    expect(await store([[a, b], [], [a, c, c], [b, d]])).toEqual([2, 0, 1, 1]);
    expect(await store([[callEvent(), a], [d], [callRecord({ call_id: b.call_id })]])).toEqual([1, 0, 0]);
  });

  test.skipIf(isSkipped)(`lie in the partition of their id's day, made when the first comes (${name})`, async () => {
    const longAgo = Date.now() - 40 * 86_400_000;
    const day = dayOf(longAgo);
    expect(await partitionsOf('call_event')).not.toContain(partitionName('call_event', day));
    const call = callRecord({ call_id: idAt(longAgo) });
    const event = callEvent({ id: idAt(longAgo) });
    expect(await insert([call, event])).toBe(2);
    expect(await count(partitionName('call_event', day))).toBe(1);
    // The node was killed and says so today, by another id: the call is the same.
    expect(await insert([callRecord({ call_id: call.call_id, outcome: 'failed' }), event])).toBe(0);
    expect(await count(partitionName('call_record', day))).toBe(1);
  });

  test.skipIf(isSkipped)(`are stored although somebody has just dropped their partition (${name})`, async () => {
    const partitions = logPartitions(one.database);
    const at = Date.now() - 50 * 86_400_000;
    const event = () => callEvent({ id: idAt(at) });
    expect(await store([[event()]], partitions)).toEqual([1]);
    await one.database.query(`DROP TABLE ${partitionName('call_event', dayOf(at))}`);
    expect(await store([[event()]], partitions)).toEqual([1]);
  });

  test.skipIf(isSkipped)(`of a day that many meet at once need one partition (${name})`, async () => {
    const at = Date.now() - 60 * 86_400_000;
    const accepted = await Promise.all(Array.from({ length: 6 }, () => insert([callEvent({ id: idAt(at) })])));
    expect(accepted).toEqual([1, 1, 1, 1, 1, 1]);
    expect(await count(partitionName('call_event', dayOf(at)))).toBe(6);
  });

  test.skipIf(isSkipped)(`are kept for as many days as asked, activity for two (${name})`, async () => {
    const partitions = logPartitions(one.database);
    const now = Date.now();
    const at = (days: number): string => idAt(now - days * 86_400_000);
    const agent = agentRecord({ id: at(9), agent: 'kept' });
    await store([[callEvent({ id: at(20) }), callEvent({ id: at(10) }), agent]], partitions);
    const dropped = await partitions.keep(now, 10);
    const day = (days: number): string => shiftDay(dayOf(now), -days);
    expect(dropped).toContain(partitionName('call_event', day(20)));
    expect(dropped).toContain(partitionName('activity_record', day(9)));
    expect(await partitionsOf('call_event')).toContain(partitionName('call_event', day(10)));
    expect(await partitionsOf('call_event')).toContain(partitionName('call_event', day(-3)));
    expect(await count('agent_state WHERE agent = $1', ['kept'])).toBe(1);
    await store([[callEvent({ id: at(30) })]], partitions);
    expect(await partitions.keep(now, 0)).toEqual([]);
  });

  test.skipIf(isSkipped)(`go with their organization, and none comes after it (${name})`, async () => {
    await one.api('POST', '/api/orgs', { id: 'gone', name: 'Gone' });
    const records = [callRecord, callEvent, agentRecord].map((make) => make({ org_id: 'gone' }));
    expect((await one.node('gone', 'POST', '/api/sync/logs', { records })).body.accepted).toBe(3);
    expect((await one.api('DELETE', '/api/orgs/gone')).status).toBe(204);
    for (const table of ['call_record', 'call_event', 'activity_record', 'agent_state'])
      expect(await count(`${table} WHERE org_id = 'gone'`), table).toBe(0);
    const late = parsed([callEvent()]).map((one) => ({ ...one, record: { ...one.record, org_id: 'gone' } }));
    const storing = batchStore(one.database, logPartitions(one.database))([late]);
    await expect(storing).rejects.toMatchObject({ code: 'UNKNOWN_KEY' });
  });
});
