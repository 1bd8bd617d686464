import { gzipSync } from 'node:zlib';
import { createLogger, createMetrics } from '@voiceoi/kernel';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../../test/services/free-port.ts';
import { agentRecord, callEvent, callRecord, callStart } from '../../../test/services/records.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { type Database, postgresDatabase } from '../database/index.ts';
import { createApp } from '../http/index.ts';
import { logAdmission } from './admission.ts';
import { logPartitions, logRoutes } from './index.ts';

let one: TestMaster;
beforeAll(async () => {
  one = await startTestMaster();
  await one.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
});
afterAll(() => one.stop());

const NDJSON = { 'content-type': 'application/x-ndjson' };
const post = (body: unknown, headers?: { readonly [name: string]: string }) =>
  one.node('abc', 'POST', '/api/sync/logs', body, headers);
const lines = (values: readonly unknown[]): string => values.map((value) => JSON.stringify(value)).join('\n');

async function stored(table: 'call_record' | 'call_event' | 'activity_record'): Promise<number> {
  return (await one.database.query<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)).rows[0]?.n ?? -1;
}
async function storedInAll(): Promise<number> {
  return (await stored('call_record')) + (await stored('call_event')) + (await stored('activity_record'));
}
async function recordOf(id: string): Promise<unknown> {
  const sql = 'SELECT record FROM call_record WHERE id = $1 UNION ALL SELECT record FROM call_event WHERE id = $1';
  return (await one.database.query<{ record: unknown }>(sql, [id])).rows[0]?.record;
}

describe('POST /api/sync/logs', () => {
  test('stores each kind of record as it came', async () => {
    const records = [callRecord(), callEvent(), callStart(), agentRecord()];
    const before = [await stored('call_record'), await stored('call_event'), await stored('activity_record')];
    const { status, body } = await post({ records });
    expect([status, body]).toEqual([202, { accepted: 4, duplicates: 0, rejected: [] }]);
    const after = [await stored('call_record'), await stored('call_event'), await stored('activity_record')];
    expect(after).toEqual([(before[0] ?? 0) + 1, (before[1] ?? 0) + 1, (before[2] ?? 0) + 2]);
    expect(await recordOf(records[0]?.id ?? '')).toEqual(records[0]);
    expect(await recordOf(records[1]?.id ?? '')).toEqual(records[1]);
  });

  test('stores a record once, sent again or twice in one batch', async () => {
    const [a, b] = [callRecord(), callEvent()];
    expect((await post({ records: [a, a, b] })).body).toEqual({ accepted: 2, duplicates: 1, rejected: [] });
    expect((await post({ records: [b, a, callEvent()] })).body).toEqual({ accepted: 1, duplicates: 2, rejected: [] });
  });

  test('stores one record of a call, whatever its id', async () => {
    const call = callRecord();
    await post({ records: [call] });
    const again = callRecord({ call_id: call.call_id, outcome: 'failed' });
    expect((await post({ records: [again] })).body).toEqual({ accepted: 0, duplicates: 1, rejected: [] });
  });

  test('takes NDJSON, packed too, with empty lines and any end of line', async () => {
    const text = `\n${lines([callEvent(), callEvent()])}\r\n\n${lines([callEvent()])}\n`;
    expect((await post(text, NDJSON)).body).toEqual({ accepted: 3, duplicates: 0, rejected: [] });
    const packed = gzipSync(lines([callEvent(), callEvent()]));
    const headers = { 'content-type': 'application/x-ndjson; charset=utf-8', 'content-encoding': 'gzip' };
    expect((await post(packed, headers)).body).toEqual({ accepted: 2, duplicates: 0, rejected: [] });
    const json = gzipSync(JSON.stringify({ records: [callEvent()] }));
    const asJson = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    expect((await post(json, asJson)).body).toEqual({ accepted: 1, duplicates: 0, rejected: [] });
  });

  test('takes an empty batch', async () => {
    expect((await post({ records: [] })).body).toEqual({ accepted: 0, duplicates: 0, rejected: [] });
    expect((await post('\n', NDJSON)).body).toEqual({ accepted: 0, duplicates: 0, rejected: [] });
  });

  test('rejects by its index what cannot be stored, and stores the rest', async () => {
    const good = () => callEvent();
    const text = `${lines([good()])}\n{"broken":\n${lines([good(), callRecord({ org_id: 'xyz' }), 7, good()])}`;
    const { status, body } = await post(text, NDJSON);
    expect(status).toBe(202);
    expect(body).toEqual({
      accepted: 3,
      duplicates: 0,
      rejected: [
        { index: 1, code: 'BAD_JSON', message: 'is no JSON' },
        { index: 3, code: 'FOREIGN_ORGANIZATION', message: 'is of another organization than the key' },
        { index: 4, code: 'INVALID', message: '/type has to be one of call_start, call, call_event, agent' },
      ],
    });
  });

  const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
  test.each([
    ['an unknown type', { ...callRecord(), type: 'fax' }, '/type has to be one of'],
    ['a field too few', { ...callRecord(), outcome: undefined }, '/outcome is missing'],
    ['an id that is none', callRecord({ id: 'x' }), '/id'],
    ['an unknown outcome', callRecord({ outcome: 'bored' }), '/outcome'],
    ['a text that is too long', callRecord({ comment: 'x'.repeat(4097) }), '/comment'],
    ['a number that is none', callRecord({ duration_ms: '12' }), '/duration_ms'],
    ['a day that does not exist', callRecord({ started_at: '2026-02-30T00:00:00.000Z' }), '/started_at is no moment'],
    [
      'an hour that does not exist',
      callEvent({ occurred_at: '2026-02-03T25:00:00.000Z' }),
      '/occurred_at is no moment',
    ],
    ['the year 0', agentRecord({ since: '0000-01-01T00:00:00.000Z' }), '/since is no moment'],
    [
      'a month that does not exist',
      callRecord({ answered_at: '2026-13-01T00:00:00.000Z' }),
      '/answered_at is no moment',
    ],
    ['a place beyond what the database counts', callEvent({ seq: 2 ** 31 }), '/seq is greater than'],
    ['an effect of an unknown kind', callEvent({ detail: [{ kind: 'dance' }] }), '/detail/0'],
    ['a detail without end', callEvent({ detail: [{ kind: 'http', body: deep(1000) }] }), '/detail nests more than'],
  ])('rejects %s alone, and says where it is wrong', async (_name, bad, message) => {
    const before = await storedInAll();
    const { status, body } = await post({ records: [callEvent(), bad, callEvent()] });
    expect(status).toBe(202);
    expect(body).toMatchObject({ accepted: 2, duplicates: 0, rejected: [{ index: 1, code: 'INVALID' }] });
    expect(body.rejected[0].message).toContain(message);
    expect(await storedInAll()).toBe(before + 2);
  });

  test('rejects a record that nests without end in a field that nobody knows, and stores the rest', async () => {
    const [good, bad] = [JSON.stringify(callRecord()), JSON.stringify(callRecord())];
    const deep = `${bad.slice(0, -1)},"later":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    const { status, body } = await post(`${deep}\n${good}`, NDJSON);
    expect([status, body]).toEqual([
      202,
      { accepted: 1, duplicates: 0, rejected: [{ index: 0, code: 'INVALID', message: expect.any(String) }] },
    ]);
  });

  test('stores what callers bring in although Postgres does not take it as it is', async () => {
    const odd = 'a\0b\ud800c';
    const call = callRecord({
      caller: odd,
      comment: odd,
      campaign_id: 'x\0',
      disposition: 'D\0',
      fields: { 'na\0me': odd },
    });
    const event = callEvent({ detail: [{ kind: 'gather', 'k\0': [odd, { deep: '\udc00' }] }] });
    expect((await post({ records: [call, event] })).body).toEqual({ accepted: 2, duplicates: 0, rejected: [] });
    expect(await recordOf(call.id)).toMatchObject({
      caller: 'ab\ufffdc',
      fields: { name: 'ab\ufffdc' },
      disposition: 'D',
    });
    expect(await recordOf(event.id)).toMatchObject({
      detail: [{ kind: 'gather', k: ['ab\ufffdc', { deep: '\ufffd' }] }],
    });
  });

  test('keeps names that mean something to JavaScript as what they are: names', async () => {
    const call = JSON.stringify(callRecord()).replace(
      '"steps"',
      '"fields":{"__proto__":"x","constructor":"y"},"steps"',
    );
    const { body } = await post(`{"records":[${call}]}`, { 'content-type': 'application/json' });
    expect(body).toEqual({ accepted: 1, duplicates: 0, rejected: [] });
  });

  test('takes a field that a later version of the node writes, and keeps it', async () => {
    const record = { ...callRecord(), colour: 'red' };
    expect((await post({ records: [record] })).body).toEqual({ accepted: 1, duplicates: 0, rejected: [] });
    const { rows } = await one.database.query("SELECT record->>'colour' AS colour FROM call_record WHERE id = $1", [
      record.id,
    ]);
    expect(rows).toEqual([{ colour: 'red' }]);
  });

  const made = (epochMs: number): string => {
    const time = epochMs.toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`;
  };
  const DAY = 86_400_000;
  test.each([
    ['an id that tells no time', () => callEvent({ id: crypto.randomUUID() }), 'INVALID', '/id is no UUIDv7'],
    ['a call whose id tells none', () => callRecord({ call_id: crypto.randomUUID() }), 'INVALID', '/call_id is no'],
    ['what is older than is kept', () => callEvent({ id: made(Date.now() - 92 * DAY) }), 'TOO_OLD', '/id was made at'],
    ['a call of 1970', () => callRecord({ call_id: made(60_000) }), 'TOO_OLD', '/call_id was made at 1970-01-01'],
    ['what is far ahead', () => callEvent({ id: made(Date.now() + 2 * DAY) }), 'IN_THE_FUTURE', '/id was made at'],
    [
      'a call of another age',
      () => callRecord({ call_id: made(2 ** 48 - 1) }),
      'IN_THE_FUTURE',
      '/call_id was made at',
    ],
  ])('rejects %s alone', async (_name, bad, code, message) => {
    const { body } = await post({ records: [callEvent(), bad(), callEvent()] });
    expect(body).toMatchObject({ accepted: 2, duplicates: 0, rejected: [{ index: 1, code }] });
    expect(body.rejected[0].message).toContain(message);
  });

  test('takes what is from yesterday, and from a clock that is ahead for hours', async () => {
    const records = [callEvent({ id: made(Date.now() - 80 * DAY) }), callEvent({ id: made(Date.now() + DAY / 2) })];
    expect((await post({ records })).body).toEqual({ accepted: 2, duplicates: 0, rejected: [] });
  });

  test('lets no organization stand in the way of another one’s records, whatever ids it takes', async () => {
    await one.api('POST', '/api/orgs', { id: 'rival', name: 'Rival' });
    const records = [callRecord(), callEvent(), callStart(), agentRecord()];
    const taken = records.map((record) => ({ ...record, org_id: 'rival' }));
    expect((await one.node('rival', 'POST', '/api/sync/logs', { records: taken })).body.accepted).toBe(4);
    expect((await post({ records })).body).toEqual({ accepted: 4, duplicates: 0, rejected: [] });
  });

  test('stores what was checked, and not what else a line may hold', async () => {
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const [a, b, c] = [callEvent(), callEvent(), callEvent()];
    const twice = JSON.stringify(b).replace('"detail":', `"detail":${deep},"detail":`);
    const large = JSON.stringify(c).replace('"kind":"play"', '"kind":"play","n":1e300000,"m":1e400');
    const { body } = await post(`${lines([a])}\n${twice}\n${large}`, NDJSON);
    expect(body).toEqual({ accepted: 3, duplicates: 0, rejected: [] });
    expect(await recordOf(b.id)).toEqual(b);
    expect(await recordOf(c.id)).toMatchObject({ detail: [{ kind: 'play', n: null, m: null }] });
  });

  test('asks to come again when the database is away', async () => {
    const log = createLogger({ level: 'silent', mode: 'test' });
    const metrics = createMetrics({ mode: 'test', version: '0.0.0' });
    const database = postgresDatabase(new pg.Pool({ host: '127.0.0.1', port: await freePort() }));
    const node = async () => ({ kind: 'node' as const, orgId: 'abc', generation: 1 });
    const options = { database, partitions: logPartitions(database), retentionDays: 90, metrics, log };
    const authenticators = { node, user: async () => undefined, role: async () => undefined };
    const app = await createApp({ log, metrics, authenticators, features: [logRoutes(options)] });
    const headers = { 'x-sync-token': 'any' };
    const payload = { records: [callEvent()] };
    const answer = await app.inject({ method: 'POST', url: '/api/sync/logs', headers, payload });
    expect(answer.json()).toMatchObject({ status: 503, code: 'OVERLOADED' });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    await app.close();
    await database.close();
  });

  test.each<[string, unknown, { readonly [name: string]: string }, number, string]>([
    ['no JSON', '{', { 'content-type': 'application/json' }, 400, 'VALIDATION_FAILED'],
    ['no list', { records: {} }, {}, 400, 'VALIDATION_FAILED'],
    ['nothing', undefined, { 'content-type': 'application/json' }, 400, 'VALIDATION_FAILED'],
    ['a list without its name', [callRecord()], {}, 400, 'VALIDATION_FAILED'],
    [
      'another content type',
      'a=b',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'another encoding',
      '{}',
      { 'content-type': 'application/json', 'content-encoding': 'br' },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    ['what is not gzip', 'hello', { ...NDJSON, 'content-encoding': 'gzip' }, 400, 'VALIDATION_FAILED'],
    ['more than 4 MiB', ' '.repeat(4 * 1024 * 1024 + 1), NDJSON, 413, 'TOO_LARGE'],
    ['a bomb', gzipSync(Buffer.alloc(64 * 1024 * 1024)), { ...NDJSON, 'content-encoding': 'gzip' }, 413, 'TOO_LARGE'],
    ['1,001 records', '{}\n'.repeat(1001), NDJSON, 413, 'TOO_LARGE'],
  ])('refuses %s as a whole, and stores nothing', async (_name, body, headers, status, code) => {
    const before = await storedInAll();
    const answer = await post(body, headers);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({ status, code });
    expect(await storedInAll()).toBe(before);
  });

  test('takes 1,000 records at once', async () => {
    const records = Array.from({ length: 1000 }, () => callEvent());
    expect((await post({ records })).body).toEqual({ accepted: 1000, duplicates: 0, rejected: [] });
  });

  test('refuses a stranger, and the key of another organization cannot write here', async () => {
    await one.api('POST', '/api/orgs', { id: 'xyz', name: 'XYZ' });
    const call = callRecord();
    const { body } = await one.node('xyz', 'POST', '/api/sync/logs', { records: [call] });
    expect(body).toMatchObject({ accepted: 0, rejected: [{ index: 0, code: 'FOREIGN_ORGANIZATION' }] });
    const stranger = await one.api('POST', '/api/sync/logs', { records: [call] });
    expect(stranger.body).toMatchObject({ status: 401, code: 'UNKNOWN_KEY' });
    expect(await recordOf(call.id)).toBeUndefined();
  });

  test('says when to come again once too many batches wait, and stores those that do', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow: Database = {
      ...one.database,
      transaction: async (work) => {
        await held;
        return one.database.transaction(work);
      },
    };
    const log = createLogger({ level: 'silent', mode: 'test' });
    const metrics = createMetrics({ mode: 'test', version: '0.0.0' });
    const node = async () => ({ kind: 'node' as const, orgId: 'abc', generation: 1 });
    const authenticators = { node, user: async () => undefined, role: async () => undefined };
    // Room for 64 batches of one organization, each as small as can be.
    const admission = logAdmission((4 / 3) * 64 * 16 * 1024);
    const partitions = logPartitions(one.database);
    const options = { database: slow, partitions, retentionDays: 90, metrics, log, admission };
    const app = await createApp({ log, metrics, authenticators, features: [logRoutes(options)] });
    // An injection waits to be awaited unless it is told to begin.
    const send = () =>
      app
        .inject({
          method: 'POST',
          url: '/api/sync/logs',
          headers: { 'x-sync-token': 'any' },
          payload: { records: [callEvent()] },
        })
        .then((answer) => answer);
    const before = await storedInAll();
    const first = Array.from({ length: 64 }, send);
    const refused = await send();
    expect(refused.json()).toMatchObject({ status: 503, code: 'OVERLOADED' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    release();
    for (const { statusCode } of await Promise.all(first)) expect(statusCode).toBe(202);
    expect(await storedInAll()).toBe(before + 64);
    expect((await send()).statusCode).toBe(202);
    expect(await metrics.registry.metrics()).toMatch(/voiceoi_log_ingest_seconds_count\{org="abc"\} 65/);
    await app.close();
  });
});
