import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callEvent, callRecord } from '../../../test/services/records.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

type Call = ReturnType<typeof callRecord>;

let one: TestMaster;
/** 40 calls, two in each second: the order within a second is that of the ids. */
let calls: readonly Call[];
beforeAll(async () => {
  one = await startTestMaster();
  await one.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
  await one.api('POST', '/api/orgs', { id: 'xyz', name: 'XYZ' });
  calls = Array.from({ length: 40 }, (_value, index) => {
    const second = String(Math.floor(index / 2)).padStart(2, '0');
    return callRecord({
      started_at: `2026-11-24T10:00:${second}.000Z`,
      outcome: index % 4 === 0 ? 'caller_hangup' : 'completed',
      disposition: index % 5 === 0 ? 'SALE' : 'NI',
      node_id: `node-${index % 3}`,
      campaign_id: index % 2 === 0 ? '123' : '124',
      caller: `+1555010${index % 10}`,
      version: 1 + (index % 2),
    });
  });
  await send(calls);
  await send([callRecord({ org_id: 'xyz' })], 'xyz');
});
afterAll(() => one.stop());

async function send(records: readonly object[], orgId = 'abc'): Promise<void> {
  const { body } = await one.node(orgId, 'POST', '/api/sync/logs', { records });
  expect(body).toEqual({ accepted: records.length, duplicates: 0, rejected: [] });
}

const newestFirst = (some: readonly Call[]): readonly string[] =>
  [...some].sort((a, b) => (startOf(a) + a.id < startOf(b) + b.id ? 1 : -1)).map(({ id }) => id);
const startOf = (call: Call): string => (call as Call & { started_at: string }).started_at;

const list = (query = '') => one.api('GET', `/api/orgs/abc/calls${query}`);
const ids = async (query = ''): Promise<readonly string[]> => {
  const { status, body } = await list(query);
  expect(status).toBe(200);
  return body.items.map(({ id }: Call) => id);
};

describe('GET /api/orgs/{org}/calls', () => {
  test('lists the records of this organization alone, newest first', async () => {
    expect(await ids('?limit=200')).toEqual(newestFirst(calls));
    expect((await one.api('GET', '/api/orgs/xyz/calls')).body.items).toHaveLength(1);
    const { body } = await list('?limit=1');
    expect(body.items[0]).toEqual(calls.find(({ id }) => id === newestFirst(calls)[0]));
  });

  test.each([1, 7, 39, 40])('gives each call once on pages of %i, and null at the end', async (limit) => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const { body } = await list(`?limit=${limit}${query}`);
      seen.push(...body.items.map(({ id }: Call) => id));
      cursor = body.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(newestFirst(calls));
  });

  test('goes on where it was although newer calls have come meanwhile', async () => {
    const { body } = await one.api('GET', '/api/orgs/xyz/calls?limit=1');
    expect(body.next_cursor).toBeNull();
    const old = callRecord({ org_id: 'xyz', started_at: '2020-01-01T00:00:00.000Z' });
    await send([old], 'xyz');
    const first = (await one.api('GET', '/api/orgs/xyz/calls?limit=1')).body;
    await send([callRecord({ org_id: 'xyz', started_at: '2030-01-01T00:00:00.000Z' })], 'xyz');
    const next = (await one.api('GET', `/api/orgs/xyz/calls?limit=1&cursor=${first.next_cursor}`)).body;
    expect(next).toMatchObject({ items: [{ id: old.id }], next_cursor: null });
  });

  const having = (fits: (call: Call) => boolean) => newestFirst(calls.filter(fits));
  test.each<[string, (call: Call) => boolean]>([
    ['campaign_id=124', ({ campaign_id }) => campaign_id === '124'],
    ['outcome=caller_hangup', ({ outcome }) => outcome === 'caller_hangup'],
    ['disposition=SALE', ({ disposition }) => disposition === 'SALE'],
    ['node_id=node-2', ({ node_id }) => node_id === 'node-2'],
    ['caller=%2B15550103', ({ caller }) => caller === '+15550103'],
    ['version=2', ({ version }) => version === 2],
    ['from=2026-11-24T10:00:05Z', (call) => startOf(call) >= '2026-11-24T10:00:05'],
    ['to=2026-11-24T10:00:05.000Z', (call) => startOf(call) < '2026-11-24T10:00:05'],
    ['from=2026-11-24T11:00:03%2B01:00&to=2026-11-24T10:00:05Z', (call) => /:0[34]\./.test(startOf(call))],
    [
      'outcome=completed&campaign_id=123&disposition=SALE',
      (c) => c.outcome === 'completed' && c.campaign_id === '123' && c.disposition === 'SALE',
    ],
    ['outcome=limit', () => false],
  ])('filters by %s', async (query, fits) => {
    expect(await ids(`?limit=200&${query}`)).toEqual(having(fits));
  });

  test('keeps the filter from page to page', async () => {
    const { body } = await list('?disposition=SALE&limit=5');
    const rest = await ids(`?disposition=SALE&limit=200&cursor=${body.next_cursor}`);
    expect([...body.items.map(({ id }: Call) => id), ...rest]).toEqual(
      having(({ disposition }) => disposition === 'SALE'),
    );
  });

  const cursor = (...keys: readonly unknown[]) => Buffer.from(JSON.stringify(keys)).toString('base64url');
  test.each([
    ['limit=0', '/limit'],
    ['limit=201', '/limit'],
    ['limit=ten', '/limit'],
    ['version=0', '/version'],
    ['version=1e3', '/version'],
    ['from=yesterday', '/from'],
    ['from=2026-02-30T00:00:00Z', '/from'],
    ['to=2026-01-01T25:00:00Z', '/to'],
    ['to=2026-01-01T00:00:00%2B99:99', '/to'],
    ['from=0000-01-01T00:00:00Z', '/from'],
    ['caller=%00', '/caller'],
    ['colour=red', '/colour'],
    ['cursor=x', 'cursor'],
    [`cursor=${cursor('2026-02-30T00:00:00Z', '0190a0a0-0000-7000-8000-000000000000')}`, 'cursor'],
    [`cursor=${cursor('2026-02-03T00:00:00Z', '-'.repeat(36))}`, 'cursor'],
    [`cursor=${cursor(1, 2)}`, 'cursor'],
    [`cursor=${cursor('2026-02-03T00:00:00Z')}`, 'cursor'],
  ])('refuses %s, and says which part is wrong', async (query, path) => {
    const { status, body, headers } = await list(`?${query}`);
    expect([status, body.code, body.errors?.[0]?.path]).toEqual([400, 'VALIDATION_FAILED', path]);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  });

  test('is not there for an organization that is not there', async () => {
    expect((await one.api('GET', '/api/orgs/nobody/calls')).body).toMatchObject({ status: 404, code: 'NOT_FOUND' });
  });
});

describe('GET /api/orgs/{org}/calls/{call}', () => {
  test('gives the record with its steps in their order, however they came', async () => {
    const call = callRecord();
    const step = (seq: number) => callEvent({ call_id: call.call_id, seq });
    const [a, b, c] = [step(0), step(1), step(2)];
    await send([c]);
    const path = `/api/orgs/abc/calls/${call.call_id}`;
    expect((await one.api('GET', path)).body).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    await send([b, call, callEvent()]);
    await send([a]);
    expect((await one.api('GET', path)).body).toEqual({ ...call, events: [a, b, c] });
  });

  test('finds a call of weeks ago, and steps that were written down the day after it began', async () => {
    const at = (epochMs: number): string => {
      const time = epochMs.toString(16).padStart(12, '0');
      return `${time.slice(0, 8)}-${time.slice(8)}${callRecord().id.slice(13)}`;
    };
    const midnight = Math.floor(Date.now() / 86_400_000 - 30) * 86_400_000;
    const call = callRecord({ call_id: at(midnight - 60_000), id: at(midnight + 60_000) });
    const events = [-59_000, 59_000].map((ms, seq) => callEvent({ id: at(midnight + ms), call_id: call.call_id, seq }));
    await send([call, ...events]);
    expect((await one.api('GET', `/api/orgs/abc/calls/${call.call_id}`)).body).toEqual({ ...call, events });
  });

  test('has an empty list of events for a call without steps', async () => {
    const call = callRecord({ outcome: 'refused', reason: 'MAX_CALLS', steps: 0 });
    await send([call]);
    expect((await one.api('GET', `/api/orgs/abc/calls/${call.call_id}`)).body).toEqual({ ...call, events: [] });
  });

  test('does not show a call to another organization', async () => {
    expect((await one.api('GET', `/api/orgs/xyz/calls/${calls[0]?.call_id}`)).status).toBe(404);
  });

  test.each(['x', '0190A0A0-0000-7000-8000-000000000000', '%00'])('refuses the id %s', async (id) => {
    expect((await one.api('GET', `/api/orgs/abc/calls/${id}`)).body).toMatchObject({
      status: 400,
      code: 'VALIDATION_FAILED',
    });
  });
});
