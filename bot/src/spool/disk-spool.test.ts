import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createMetrics } from '@voiceoi/kernel';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type FakeMaster, type SeenRequest, startFakeMaster } from '../../../test/services/fake-master.ts';
import { keyOf, ringOf } from '../../../test/services/sync-world.ts';
import { diskSpool } from './disk-spool.ts';
import type { LogSink } from './log-sink.ts';
import type { QueuedRecord } from './record.ts';

let master: FakeMaster;
let folder: string;
const sinks: LogSink[] = [];
beforeEach(async () => {
  master = await startFakeMaster();
  folder = mkdtempSync(join(tmpdir(), 'voiceoi-spool-'));
});
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.stop()));
  await master.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: object = {}) {
  const lines: { readonly msg: string }[] = [];
  const log = pino({}, { write: (line) => lines.push(JSON.parse(line)) });
  const metrics = createMetrics({ mode: 'test', version: '0' });
  const settings = {
    folder,
    masterUrl: master.url,
    keys: ringOf('abc', 'other'),
    log,
    metrics,
    flushMs: 5,
    retryMs: 5,
    diskRetryMs: 20,
    recordOfKilled,
  };
  const sink = await diskSpool({ ...settings, ...options });
  sinks.push(sink);
  return { sink, lines, text: () => metrics.registry.metrics() };
}

const record = (n: number, isCall = false, padding = 0): QueuedRecord => ({
  text: JSON.stringify({ n, isCall, padding: 'x'.repeat(padding) }),
  kind: isCall ? 'call' : 'event',
  callId: `call-${n}`,
});
const recordOfKilled = (start: string): QueuedRecord => {
  const { n } = JSON.parse(start);
  return { text: JSON.stringify({ n, isKilled: true }), kind: 'call', callId: `call-${n}` };
};
const records = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => record(from + index));
const numbers = () => master.records.map(({ n }) => Number(n));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
const logs = () => master.requests.filter(({ path }) => path === '/api/sync/logs');
const lengthOf = ({ body }: SeenRequest) => gunzipSync(body).toString().split('\n').length;

/** Answers what comes to the logs, one request after the other, and then as ever. */
function answers(...statuses: readonly (number | 'hang' | 'cut' | [number, { readonly [name: string]: string }])[]) {
  const left = [...statuses];
  master.intercept = ({ path }, response) => {
    const next = path === '/api/sync/logs' ? left.shift() : undefined;
    if (next === undefined) return false;
    if (next === 'hang') return true;
    if (next === 'cut') response.destroy();
    else if (typeof next === 'number') response.writeHead(next).end();
    else response.writeHead(...next).end();
    return true;
  };
}

describe('records', () => {
  test('reach the master in order, gzipped NDJSON, with their organization’s key', async () => {
    const { sink } = await start();
    sink.append('abc', records(0, 3));
    sink.append('other', records(10, 11));
    await vi.waitFor(() => expect(numbers().sort()).toEqual([0, 1, 10, 2].sort()));
    const [first] = logs().filter(({ headers }) => headers['x-organization-secret'] === keyOf('abc').text);
    expect(first?.headers).toMatchObject({ 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' });
    expect(gunzipSync(first?.body ?? '').toString()).toBe(
      records(0, 3)
        .map(({ text }) => text)
        .join('\n'),
    );
  });

  test('of an organization that this node does not serve go nowhere', async () => {
    const { sink } = await start();
    sink.append('none', records(0, 3));
    await sink.flush(1000);
    expect(logs()).toHaveLength(0);
  });

  test('go in batches of at most 500, one request at a time', async () => {
    const { sink } = await start();
    let open = 0;
    let most = 0;
    master.intercept = (_request, response) => {
      open++;
      most = Math.max(most, open);
      response.once('finish', () => open--);
      return false;
    };
    sink.append('abc', records(0, 1200));
    await vi.waitFor(() => expect(numbers()).toEqual(range(0, 1200)));
    expect(logs().map(lengthOf)).toEqual([500, 500, 200]);
    expect(most).toBe(1);
  });

  test('go in batches of at most 256 KiB', async () => {
    const { sink } = await start();
    sink.append(
      'abc',
      range(0, 10).map((n) => record(n, false, 100_000)),
    );
    await vi.waitFor(() => expect(numbers()).toEqual(range(0, 10)));
    expect(logs().map(lengthOf)).toEqual([2, 2, 2, 2, 2]);
  });

  test('wait for one another, so that many calls are one request', async () => {
    const { sink } = await start({ flushMs: 30 });
    for (let n = 0; n < 100; n++) sink.append('abc', [record(n)]);
    await vi.waitFor(() => expect(numbers()).toHaveLength(100));
    expect(logs()).toHaveLength(1);
  });

  test('are halved for a master that finds them too large, and come through in order', async () => {
    const { sink } = await start();
    answers(413, 413);
    sink.append('abc', records(0, 8));
    await vi.waitFor(() => expect(numbers()).toEqual(range(0, 8)));
    expect(logs().map(lengthOf)).toEqual([8, 4, 2, 4, 2]);
  });

  test('of which one alone is too large do not hold up the others', async () => {
    const { sink, text } = await start();
    master.intercept = ({ body }, response) => {
      const isTooLarge = gunzipSync(body).toString().includes('"n":1,');
      if (isTooLarge) response.writeHead(413).end();
      return isTooLarge;
    };
    sink.append('abc', records(0, 4));
    await vi.waitFor(() => expect(numbers()).toEqual([0, 2, 3]));
    expect(sink.stats()).toMatchObject({ dead_letters: 1, bytes: 0 });
    expect(await text()).toContain('voiceoi_log_rejected_total 1');
  });

  test.each([500, 502, 503, 429, 408, 401, 403, 404, 405, 301, 200, 204, 'cut' as const])(
    'are kept and sent again after %s',
    async (status) => {
      const { sink, lines } = await start();
      answers(status, status);
      sink.append('abc', records(0, 3));
      await vi.waitFor(() => expect(numbers()).toEqual([0, 1, 2]));
      expect(logs()).toHaveLength(3);
      await vi.waitFor(() => expect(sink.stats()).toEqual({ bytes: 0, dropped: 0, dead_letters: 0 }));
      expect(lines.filter(({ msg }) => msg.includes('wait'))).toHaveLength(1);
    },
  );

  test('wait as long as the master asks for', async () => {
    const { sink } = await start();
    answers([503, { 'retry-after': '0.2' }]);
    sink.append('abc', records(0, 1));
    await vi.waitFor(() => expect(logs()).toHaveLength(1));
    const refusedAt = performance.now();
    await vi.waitFor(() => expect(numbers()).toEqual([0]));
    expect(performance.now() - refusedAt).toBeGreaterThan(150);
  });

  test('are sent again when the master hangs', async () => {
    const { sink } = await start({ timeoutMs: 40 });
    answers('hang');
    sink.append('abc', records(0, 2));
    await vi.waitFor(() => expect(numbers()).toEqual([0, 1]));
    expect(logs()).toHaveLength(2);
  });

  test('that the master refuses for good are counted, and out of the way', async () => {
    const { sink, lines } = await start();
    answers(400);
    sink.append('abc', records(0, 2));
    await vi.waitFor(() => expect(sink.stats().dead_letters).toBe(2));
    sink.append('abc', records(2, 4));
    await vi.waitFor(() => expect(numbers()).toEqual([2, 3]));
    expect(lines.some(({ msg }) => msg.includes('does not take'))).toBe(true);
  });

  test('that the master stored but one are gone, whatever is in its answer', async () => {
    const { sink } = await start();
    const texts = ['{"accepted":1,"rejected":[{"index":1,"code":"SCHEMA","message":"no"}]}', 'thanks'];
    master.intercept = (_request, response) => {
      response.writeHead(202).end(texts.shift());
      return true;
    };
    sink.append('abc', records(0, 2));
    await vi.waitFor(() => expect(sink.stats()).toMatchObject({ dead_letters: 1, bytes: 0 }));
    sink.append('abc', records(2, 4));
    await vi.waitFor(() => expect(logs()).toHaveLength(2));
    await sink.flush(1000);
    expect(sink.stats()).toEqual({ bytes: 0, dropped: 0, dead_letters: 1 });
  });

  test('outlast an outage of the master', async () => {
    const { sink, text } = await start();
    await master.down();
    sink.append('abc', records(0, 3));
    await vi.waitFor(async () => expect(await text()).toMatch(/voiceoi_log_spool_bytes [1-9]/));
    sink.append('abc', records(3, 6));
    await master.up();
    await vi.waitFor(() => expect(numbers()).toEqual(range(0, 6)), 5000);
  });
});

describe('for want of room', () => {
  test('the oldest steps go first, calls only when there is nothing else, and both are counted', async () => {
    const { sink, text } = await start({ budgetBytes: 10_000 });
    await master.down();
    for (let n = 0; n < 8; n++) sink.append('abc', [record(n, n % 2 === 0, 900)]);
    expect(sink.stats()).toMatchObject({ dropped: 0 });
    sink.append(
      'abc',
      range(8, 16).map((n) => record(n, n % 2 === 0, 900)),
    );
    await vi.waitFor(() => expect(sink.stats().bytes).toBeLessThanOrEqual(9000));
    const { dropped } = sink.stats();
    expect(dropped).toBeGreaterThan(5);
    expect(await text()).toContain(`voiceoi_log_dropped_total ${dropped}`);
    await master.up();
    await vi.waitFor(() => expect(sink.stats().bytes).toBe(0), 5000);
    const steps = [1, 3, 5, 7, 9, 11, 13, 15].slice(dropped);
    expect(numbers()).toEqual([0, 2, 4, 6, 8, 10, 12, 14, ...steps].sort((one, other) => one - other));
  });

  test('the oldest calls go when there are only calls, whosever they are', async () => {
    const { sink } = await start({ budgetBytes: 10_000, flushMs: 60_000 });
    sink.append(
      'other',
      range(0, 3).map((n) => record(n, true, 900)),
    );
    await sink.settled('other');
    // Which segment is older is told by the milliseconds.
    const then = Date.now();
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(then + 1));
    for (let n = 3; n < 12; n++) {
      sink.append('abc', [record(n, true, 900)]);
      await sink.settled('abc');
    }
    await vi.waitFor(() => expect(sink.stats().bytes).toBeLessThanOrEqual(9500));
    const { dropped } = sink.stats();
    await sink.flush(5000);
    expect(numbers().sort((one, other) => one - other)).toEqual(range(dropped, 12));
  });

  test('while a batch is under way, nothing is sent twice and nothing that is left is lost', async () => {
    const { sink } = await start({ budgetBytes: 5000 });
    let answer: () => void = () => {};
    master.intercept = (_request, response) => {
      answer = () => response.writeHead(202).end('{}');
      return true;
    };
    sink.append(
      'abc',
      range(0, 4).map((n) => record(n, false, 1000)),
    );
    await vi.waitFor(() => expect(logs()).toHaveLength(1));
    sink.append(
      'abc',
      range(4, 8).map((n) => record(n, true, 1000)),
    );
    master.intercept = undefined;
    answer();
    await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
    expect(numbers()).toEqual([4, 5, 6, 7]);
  });
});

describe('at the end', () => {
  test('what there is goes at once, however far away the next time is', async () => {
    const { sink } = await start({ flushMs: 60_000 });
    sink.append('abc', records(0, 700));
    sink.append('other', records(1000, 1001));
    await sink.flush(5000);
    expect(numbers()).toHaveLength(701);
  });

  test('a master that comes back in time gets it', async () => {
    const { sink } = await start();
    answers(503, 503, 'cut');
    sink.append('abc', records(0, 3));
    await sink.flush(5000);
    expect(numbers()).toEqual([0, 1, 2]);
  });

  test('no longer is waited than there is time, nor for a master that hangs', async () => {
    const { sink } = await start();
    answers('hang');
    sink.append('abc', records(0, 3));
    const begun = performance.now();
    await sink.flush(60);
    await sink.stop();
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(sink.stats().bytes).toBeGreaterThan(0);
  });
});

test('records that no key brought in go at once with a new one, however long the next try was off', async () => {
  const keys = ringOf('abc');
  const { sink } = await start({ keys, retryMs: 60_000 });
  master.intercept = ({ headers }, response) => {
    if (headers['x-organization-secret'] === keyOf('abc', 2).text) return false;
    response.writeHead(401).end();
    return true;
  };
  sink.append('abc', [record(1)]);
  await vi.waitFor(() => expect(logs()).toHaveLength(1));
  await vi.waitFor(() => expect(master.requests).toHaveLength(1));
  keys.replace([keyOf('abc', 2).text]);
  await vi.waitFor(() => expect(numbers()).toEqual([1]));
});

test('an organization that comes later is taken up with what a run before has left of it', async () => {
  const before = await start({ keys: ringOf('abc'), flushMs: 60_000 });
  before.sink.append('abc', [record(1, true)]);
  await before.sink.settled('abc');
  await before.sink.stop();
  const keys = ringOf('other');
  const { sink } = await start({ keys });
  expect(sink.stats().bytes).toBe(0);
  keys.replace([keyOf('abc').text]);
  await sink.serve('abc');
  await sink.serve('abc');
  sink.append('abc', [record(2)]);
  await vi.waitFor(() => expect(numbers()).toEqual([1, 2]));
});
