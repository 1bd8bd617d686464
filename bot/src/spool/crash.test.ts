import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMetrics } from '@voiceoi/kernel';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type FakeMaster, startFakeMaster } from '../../../test/services/fake-master.ts';
import { startProcess } from '../../../test/services/process.ts';
import { ringOf } from '../../../test/services/sync-world.ts';
import { diskSpool } from './disk-spool.ts';
import type { LogSink } from './log-sink.ts';
import type { QueuedRecord, RecordKind } from './record.ts';

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

const record = (n: string, kind: RecordKind = 'event', padding = 0): QueuedRecord => ({
  text: JSON.stringify({ n, kind, padding: 'x'.repeat(padding) }),
  kind,
  callId: n,
});
const recordOfKilled = (start: string, endedAtMs: number): QueuedRecord => {
  const { n } = JSON.parse(start);
  return { text: JSON.stringify({ n, kind: 'call', isKilled: true, endedAtMs }), kind: 'call', callId: n };
};

async function start(options: object = {}) {
  const lines: { readonly msg: string; readonly [name: string]: unknown }[] = [];
  const log = pino({}, { write: (line) => lines.push(JSON.parse(line)) });
  const metrics = createMetrics({ mode: 'test', version: '0' });
  const keys = ringOf('abc');
  const base = { folder, masterUrl: master.url, keys, log, metrics, flushMs: 5, retryMs: 5, diskRetryMs: 20 };
  const sink = await diskSpool({ ...base, recordOfKilled, ...options });
  sinks.push(sink);
  return { sink, lines };
}

const numbers = () => master.records.map(({ n }) => n);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `${from + index}`);
const own = () => join(folder, 'abc');
const segments = () => readdirSync(own()).filter((name) => name.endsWith('.segment'));
const sent = (kind: string) => master.records.filter((each) => each['kind'] === kind).map(({ n }) => n);
/** Long enough for nothing to be sent by itself. */
const NEVER = { flushMs: 60_000 };

/** Leaves these records on disk; the master never hears of them. */
async function leave(records: readonly QueuedRecord[], options: object = {}): Promise<void> {
  const { sink } = await start({ ...NEVER, masterUrl: 'http://127.0.0.1:9', ...options });
  for (const each of records) {
    sink.append('abc', [each]);
    await sink.settled('abc');
  }
  await sink.stop();
}

describe('after a restart', () => {
  test('what was left is sent, in order, and its files are gone', async () => {
    await leave(
      range(0, 20).map((n) => record(n, 'event', 100)),
      { segmentBytes: 1000 },
    );
    expect(segments().length).toBeGreaterThan(2);
    const { sink } = await start();
    await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
    expect(numbers()).toEqual(range(0, 20));
    expect(segments()).toEqual([]);
  });

  test('and a whole end of the process, what the master did not take is sent', async () => {
    await master.down();
    const first = await start();
    first.sink.append(
      'abc',
      range(0, 3).map((n) => record(n)),
    );
    await first.sink.flush(50);
    await first.sink.stop();
    await master.up();
    const { sink } = await start();
    await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
    expect(numbers()).toEqual(range(0, 3));
  });

  test('no more than a segment is sent again', async () => {
    const first = await start({ segmentBytes: 1000 });
    master.intercept = (_request, response) => {
      const isOver = master.records.length >= 9;
      if (isOver) response.writeHead(503).end();
      return isOver;
    };
    first.sink.append(
      'abc',
      range(0, 30).map((n) => record(n, 'event', 200)),
    );
    await vi.waitFor(() => expect(master.requests.length).toBeGreaterThan(4));
    await first.sink.stop();
    master.intercept = undefined;
    const { sink } = await start();
    await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
    expect(new Set(numbers())).toEqual(new Set(range(0, 30)));
    expect(numbers().length).toBeLessThanOrEqual(34);
  });

  test('files and folders are for nobody else to read', async () => {
    await leave([record('1', 'call')]);
    expect(statSync(own()).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(own())) expect(statSync(join(own(), name)).mode & 0o777).toBe(0o600);
  });

  test('files that are none of the spool’s are left alone, and half-written ones are gone', async () => {
    mkdirSync(own());
    writeFileSync(join(own(), 'notes.txt'), 'x');
    writeFileSync(join(own(), 'a.tmp'), 'x');
    await start();
    expect(readdirSync(own())).toEqual(['notes.txt']);
  });
});

describe('a call that was in flight as its node was killed', () => {
  test('has failed; one that had ended has not', async () => {
    await leave([record('a', 'start'), record('b', 'start'), record('a', 'call')]);
    const before = Date.now();
    const { sink } = await start();
    await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
    const calls = master.records.filter(({ kind }) => kind === 'call');
    expect(calls.map(({ n, isKilled }) => ({ n, isKilled }))).toEqual([
      { n: 'a', isKilled: undefined },
      { n: 'b', isKilled: true },
    ]);
    expect(Math.abs(before - Number(calls[1]?.['endedAtMs']))).toBeLessThan(5000);
  });

  test('has failed also when the master had its start long before', async () => {
    const first = await start();
    first.sink.append('abc', [record('long', 'start'), record('short', 'start')]);
    await vi.waitFor(() => expect(first.sink.stats().bytes).toBe(0));
    first.sink.append('abc', [record('short', 'call')]);
    await vi.waitFor(() => expect(first.sink.stats().bytes).toBe(0));
    expect(segments()).toEqual([]);
    const second = await start();
    await vi.waitFor(() => expect(second.sink.stats().bytes).toBe(0));
    expect(sent('call')).toEqual(['short', 'long']);
    const endedAtMs = Number(master.records.find(({ n, kind }) => n === 'long' && kind === 'call')?.['endedAtMs']);
    expect(Math.abs(Date.now() - endedAtMs)).toBeLessThan(5000);
    await start();
    await second.sink.flush(1000);
    expect(sent('call')).toEqual(['short', 'long']);
  });

  test('has failed also when its start had to go for want of room', async () => {
    await master.down();
    const first = await start({ budgetBytes: 3000 });
    first.sink.append('abc', [record('long', 'start')]);
    for (let n = 0; n < 10; n++) first.sink.append('abc', [record(`${n}`, 'call', 500)]);
    await vi.waitFor(() => expect(first.sink.stats().bytes).toBeLessThan(3000));
    await first.sink.stop();
    await master.up();
    const { sink } = await start();
    await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
    expect(sent('start')).toEqual([]);
    expect(sent('call')).toContain('long');
  });
});

describe('a call that was in flight as its node was killed, and that any node may go on with', () => {
  const later = (notBeforeMs: number) => ({
    overdueMs: 10,
    recordOfKilled: (start: string, endedAtMs: number) => ({ ...recordOfKilled(start, endedAtMs), notBeforeMs }),
  });

  test('has failed when it must be over, and not before, over further restarts too', async () => {
    await leave([record('a', 'start')]);
    for (let restart = 0; restart < 2; restart++) {
      const { sink } = await start(later(Date.now() + 60_000));
      await sink.flush(1000);
      await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
      await sink.stop();
    }
    expect(sent('call')).toEqual([]);
    const { sink } = await start(later(Date.now() + 100));
    await vi.waitFor(() => expect(sent('call')).toEqual(['a']));
    await sink.stop();
    const last = await start(later(0));
    await last.sink.flush(1000);
    expect(sent('call')).toEqual(['a']);
  });

  test('has the one record that it comes to when it goes on here', async () => {
    await leave([record('a', 'start')]);
    const { sink } = await start(later(Date.now() + 300));
    sink.append('abc', [record('a', 'call'), record('b', 'start')]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    await sink.flush(1000);
    expect(master.records.filter(({ kind }) => kind === 'call')).toEqual([
      expect.not.objectContaining({ isKilled: true }),
    ]);
    await sink.stop();
    const last = await start();
    await last.sink.flush(1000);
    expect(sent('call')).toEqual(['a', 'b']);
  });
});

describe('damage', () => {
  const intact = ['1', '2', '3'];
  beforeEach(() => leave(intact.map((n) => record(n))));
  const path = () => join(own(), segments()[0] ?? '');

  test('at the end of a segment is cut off, told of once, and costs what was damaged', async () => {
    truncateSync(path(), statSync(path()).size - 3);
    await master.down();
    const { sink, lines } = await start();
    await sink.stop();
    await master.up();
    expect(lines.filter(({ msg }) => msg.includes('damage'))).toMatchObject([
      { org: 'abc', lost_bytes: expect.any(Number) },
    ]);
    const again = await start();
    expect(again.lines.filter(({ msg }) => msg.includes('damage'))).toEqual([]);
    await vi.waitFor(() => expect(again.sink.stats().bytes).toBe(0));
    expect(numbers()).toEqual(['1', '2']);
  });

  test('in the middle costs what follows in that segment, and no other one', async () => {
    const bytes = readFileSync(path());
    const where = bytes.indexOf('"n":"2"');
    bytes[where] = 0;
    writeFileSync(path(), bytes);
    await leave([record('4')]);
    const { sink } = await start();
    await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
    expect(numbers()).toEqual(['1', '4']);
  });

  test('is not what another version of this spool has left: that is kept for it', async () => {
    const other = Buffer.concat([Buffer.from('voispl2\n'), readFileSync(path()).subarray(8)]);
    writeFileSync(path(), other);
    const { lines } = await start();
    expect(readFileSync(path())).toEqual(other);
    expect(lines.some(({ msg }) => msg.includes('cannot be read'))).toBe(true);
  });

  test('behind a whole segment, or a file of nothing but damage, does no harm', async () => {
    appendFileSync(path(), Buffer.alloc(5000));
    writeFileSync(join(own(), '0000000000000001.segment'), 'garbage');
    const { sink } = await start();
    await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
    expect(numbers()).toEqual(intact);
    expect(segments()).toEqual([]);
  });

  test('while the node runs is counted as dropped, and holds nothing up', async () => {
    await master.down();
    await leave([record('4')]);
    const { sink } = await start();
    rmSync(join(own(), segments()[1] ?? ''));
    sink.append('abc', [record('5')]);
    await master.up();
    await sink.flush(5000);
    expect(numbers()).toEqual([...intact, '5']);
    expect(sink.stats()).toMatchObject({ bytes: 0, dropped: 1 });
  });
});

describe('a disk that cannot be written', () => {
  beforeEach(() => writeFileSync(own(), 'a file where the folder should be'));

  test('keeps nobody waiting, is told of once, and records reach the master from memory', async () => {
    const { sink, lines } = await start();
    sink.append('abc', [record('1', 'call')]);
    const begun = performance.now();
    await sink.settled('abc');
    expect(performance.now() - begun).toBeLessThan(500);
    sink.append('abc', [record('2', 'call')]);
    await sink.settled('abc');
    await vi.waitFor(() => expect(numbers()).toEqual(['1', '2']));
    expect(lines.filter(({ msg }) => msg.includes('cannot be written'))).toHaveLength(1);
  });

  test('has what waits in memory once it can be', async () => {
    const first = await start(NEVER);
    first.sink.append('abc', [record('1', 'call')]);
    await first.sink.settled('abc');
    rmSync(own());
    await vi.waitFor(() => expect(first.lines.some(({ msg }) => msg.includes('to disk again'))).toBe(true));
    first.sink.append('abc', [record('2', 'call')]);
    await first.sink.settled('abc');
    const { sink } = await start();
    await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
    expect(numbers()).toEqual(['1', '2']);
  });

  test('bounds what waits in memory: steps go, calls stay', async () => {
    await master.down();
    const { sink } = await start({ ...NEVER, memoryBytes: 10_000 });
    sink.append('abc', [record('first', 'event', 900)]);
    await sink.settled('abc');
    for (let n = 0; n < 16; n++) {
      sink.append('abc', [record(`${n}`, n % 2 === 0 ? 'call' : 'event', 900)]);
      await vi.waitFor(() => expect(sink.stats().bytes).toBeLessThan(10_500));
    }
    expect(sink.stats().dropped).toBeGreaterThan(5);
    await master.up();
    await sink.flush(5000);
    expect(sent('call')).toEqual(['0', '2', '4', '6', '8', '10', '12', '14']);
  });
});

describe('dead letters', () => {
  test('are kept with the master’s reason, and counted over a restart', async () => {
    const first = await start();
    master.intercept = (_request, response) => {
      response.writeHead(202).end('{"accepted":2,"rejected":[{"index":1,"code":"SCHEMA","message":"no"}]}');
      return true;
    };
    first.sink.append(
      'abc',
      range(0, 3).map((n) => record(n)),
    );
    await vi.waitFor(() => expect(first.sink.stats()).toMatchObject({ dead_letters: 1, bytes: 0 }));
    const lines = readFileSync(join(own(), 'dead-letters.ndjson'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { reason: { code: 'SCHEMA', message: 'no' }, record: { n: '1' }, at: expect.any(String) },
    ]);
    await first.sink.stop();
    const { sink } = await start();
    expect(sink.stats()).toEqual({ bytes: 0, dropped: 0, dead_letters: 1 });
  });
});

describe('a process that is killed with SIGKILL', () => {
  test.each([150, 300, 600])(
    'after %s ms loses no call that was told to be safe, and knows all in flight',
    async (ms) => {
      const child = startProcess(
        process.execPath,
        ['--conditions=source', 'test/services/spool-child.ts', folder, master.url],
        {
          cwd: join(import.meta.dirname, '../../..'),
        },
      );
      await child.waitFor(/^call /m);
      await new Promise((resolve) => setTimeout(resolve, ms));
      await child.stop('SIGKILL');
      const told = child.output().split('\n').slice(0, -1);
      const named = (word: string) =>
        told.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
      const { sink } = await start();
      await vi.waitFor(() => expect(sink.stats().bytes).toBe(0));
      const ended = new Set(
        master.records.filter(({ kind, isKilled }) => kind === 'call' && !isKilled).map(({ n }) => n),
      );
      const killed = new Set(master.records.filter(({ isKilled }) => isKilled).map(({ n }) => n));
      expect(named('call').filter((n) => !ended.has(n))).toEqual([]);
      expect(named('start').filter((n) => !ended.has(n) && !killed.has(n))).toEqual([]);
      // One may have reached the master as the node was killed and before its disk had it: the master keeps the first of a call's records.
      const first = (n: unknown) => master.records.find((each) => each['kind'] === 'call' && each['n'] === n);
      expect([...killed].filter((n) => ended.has(n) && first(n)?.['isKilled'])).toEqual([]);
      expect(named('call').length).toBeGreaterThan(20);
      expect(killed.size).toBeGreaterThan(5);
    },
  );
});
