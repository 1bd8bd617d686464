import { createServer, type Server } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { createLogger, createMetrics } from '@voiceoi/kernel';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogSink } from './log-sink.ts';
import { memorySpool } from './memory-spool.ts';
import { type QueuedRecord, RecordQueue } from './queue.ts';

const record = (text: string, isCall = false): QueuedRecord => ({ text, isCall });

describe('queue of records', () => {
  test('keeps order, and calls longest, within its budget', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ size: fc.integer({ min: 1, max: 50 }), isCall: fc.boolean() }), { maxLength: 80 }),
        (sizes) => {
          const queue = new RecordQueue(500);
          let dropped = 0;
          const all = sizes.map(({ size, isCall }, index) => record(`${index}`.padEnd(size, '.'), isCall));
          for (const each of all) dropped += queue.push([each]);
          const left = queue.peek(1000, 1e9);
          expect(left.length + dropped).toBe(all.length);
          expect(queue.bytes).toBe(left.reduce((sum, { text }) => sum + text.length, 0));
          expect(queue.bytes).toBeLessThanOrEqual(500);
          expect(left).toEqual(all.filter((each) => left.includes(each)));
          // Calls go only when no step is left: whatever steps are there came after the last call that was lost.
          const lostCalls = all.filter((each) => each.isCall && !left.includes(each)).map((each) => all.indexOf(each));
          const steps = left.filter((each) => !each.isCall).map((each) => all.indexOf(each));
          expect(Math.min(...steps, Number.POSITIVE_INFINITY)).toBeGreaterThan(Math.max(...lostCalls, -1));
          queue.remove(left.slice(0, 3));
          expect(queue.length).toBe(Math.max(0, left.length - 3));
        },
      ),
    );
  });
});

describe('spool', () => {
  let server: Server;
  let spool: LogSink;
  let received: { id: string }[][] = [];
  let answer: (call: number) => { status: number; body?: object; headers?: { [name: string]: string } };
  let requests = 0;

  beforeEach(async () => {
    received = [];
    requests = 0;
    answer = () => ({ status: 202 });
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const { status, body, headers } = answer(requests++);
        if (status === 202)
          received.push(
            gunzipSync(Buffer.concat(chunks))
              .toString()
              .split('\n')
              .map((line) => JSON.parse(line)),
          );
        response.writeHead(status, headers).end(JSON.stringify(body ?? { accepted: 1, duplicates: 0, rejected: [] }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    spool = memorySpool({
      masterUrl: `http://127.0.0.1:${port}`,
      keys: new Map([['abc', 'key']]),
      log: createLogger({ level: 'silent', mode: 'test' }),
      metrics: createMetrics({ mode: 'test', version: '0' }),
      flushMs: 10,
    });
  });
  afterEach(async () => {
    await spool.stop();
    server.closeAllConnections();
    server.close();
  });

  const append = (count: number, from = 0): void => {
    for (let index = from; index < from + count; index++)
      spool.append('abc', [record(JSON.stringify({ id: String(index) }))]);
  };
  const ids = (): readonly string[] => received.flat().map(({ id }) => id);
  const inOrder = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => String(index));
  const until = async (condition: () => boolean): Promise<void> => {
    const deadline = Date.now() + 10_000;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error('it did not come to pass');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  test('sends everything in order, in batches of 500 at most', async () => {
    append(1200);
    await until(() => ids().length === 1200 && spool.stats().bytes === 0);
    expect(ids()).toEqual(inOrder(1200));
    expect(Math.max(...received.map((batch) => batch.length))).toBeLessThanOrEqual(500);
    expect(spool.stats()).toEqual({ bytes: 0, dropped: 0, dead_letters: 0 });
  });

  test('tries again after an error, a refusal of the key and a full master, and loses nothing', async () => {
    answer = (call) =>
      [{ status: 500 }, { status: 401 }, { status: 503, headers: { 'retry-after': '1' } }, { status: 202 }][
        Math.min(call, 3)
      ] ?? { status: 202 };
    append(3);
    await until(() => ids().length === 3);
    expect(ids()).toEqual(inOrder(3));
    expect(requests).toBe(4);
  }, 20_000);

  test('halves a batch that is too large', async () => {
    answer = (call) => (call === 0 ? { status: 413 } : { status: 202 });
    append(400);
    await until(() => ids().length === 400);
    expect(ids()).toEqual(inOrder(400));
    expect(received.length).toBeGreaterThan(1);
  });

  test('lets go of what the master will never take, counts it, and goes on', async () => {
    answer = (call) =>
      call === 0 ? { status: 400 } : { status: 202, body: { accepted: 1, duplicates: 0, rejected: [{ index: 0 }] } };
    append(2);
    await until(() => spool.stats().dead_letters === 2);
    append(1, 2);
    await until(() => spool.stats().dead_letters === 3);
    expect(ids()).toEqual(['2']);
  });

  test('sends what is left as the process ends, and does not wait for ever', async () => {
    append(5);
    await spool.flush(5000);
    expect(ids()).toEqual(inOrder(5));
    answer = () => ({ status: 503 });
    append(1, 5);
    const before = performance.now();
    await spool.flush(100);
    expect(performance.now() - before).toBeLessThan(2000);
    expect(spool.stats().bytes).toBeGreaterThan(0);
  });
});
