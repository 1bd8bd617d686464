import type { LogRecord } from '@voiceoi/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresSkipReason } from '../../../test/services/postgres.ts';
import { agentRecord, callEvent, callRecord } from '../../../test/services/records.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { insertRecords } from './store.ts';

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

  const insert = (records: readonly object[]): Promise<number> =>
    insertRecords(one.database, records as readonly LogRecord[]);
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
      const count = `SELECT (SELECT count(*) FROM call_record) + (SELECT count(*) FROM call_event)
      + (SELECT count(*) FROM activity_record) AS n`;
      expect((await one.database.query<{ n: number }>(count)).rows[0]?.n).toBe(300);
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
});
