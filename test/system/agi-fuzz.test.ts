import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createLogger, createMetrics } from '@voiceoi/kernel';
import type { Effect } from '@voiceoi/script';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCallRequest } from '../../bot/src/agi/call-request.ts';
import { type AgiEnvironment, type EnvironmentProgress, EnvironmentReader } from '../../bot/src/agi/environment.ts';
import { ReplyReader } from '../../bot/src/agi/reply.ts';
import { type AgiServer, startAgiServer } from '../../bot/src/agi/server.ts';
import type { CallDesk } from '../../bot/src/calls/index.ts';
import { below, mutated, pick, type Random, randomReads, seededRandom } from '../services/agi-mutations.ts';
import { readRecordings } from '../services/agi-recordings.ts';
import { startProcess } from '../services/process.ts';

/** `FUZZ_SEED=…` repeats a run; every failure names its seed and its turn. */
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_124);
const ENVIRONMENTS = 100_000;
const REPLY_STREAMS = 80_000;
const CUT_STREAMS = 15_000;
const SESSIONS = 5000;
const SILENT = 10_000;

const recordings = readRecordings();
const environments = recordings.map(({ environment }) => Buffer.concat(environment));
/** Environments of calls that a node would take. */
const callable = environments.filter((bytes) => {
  const progress = new EnvironmentReader().push(bytes);
  return progress.kind === 'complete' && 'call' in readCallRequest(progress.environment, 0);
});
const streams = recordings
  .map(({ dialogue }) => Buffer.concat(dialogue.filter(({ from }) => from === 'asterisk').map(({ bytes }) => bytes)))
  .filter((bytes) => bytes.length > 0);
const FLOOD = Buffer.alloc(16 * 1024, 'x');

/** Does it so many times, each with random numbers of its own that the seed and the turn give. */
function fuzz(turns: number, salt: number, act: (random: Random) => void): void {
  for (let turn = 0; turn < turns; turn++) {
    try {
      act(seededRandom(SEED + salt * 1_000_003 + turn * 7919));
    } catch (error) {
      throw new Error(`FUZZ_SEED=${SEED}, turn ${turn}`, { cause: error });
    }
  }
}

function assert(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Sets a variable and is done. */
const brief: CallDesk = {
  admit: () => ({
    kind: 'taken',
    run: async (channel) => {
      await channel.setVariables([{ name: 'VOICEOI_CALL_ID', value: 'x' }]);
      channel.close();
    },
  }),
};

function startServer(desk: CallDesk): Promise<AgiServer> {
  const log = createLogger({ level: 'silent', mode: 'test' });
  return startAgiServer({
    host: '127.0.0.1',
    port: 0,
    desk,
    log,
    metrics: createMetrics({ mode: 'test', version: '0' }),
  });
}

/** First, while this process is small: what connections cost would not show behind the garbage of the other tests. */
describe('a server that many connect to', () => {
  let server: AgiServer;
  beforeAll(async () => {
    server = await startServer(brief);
  });
  afterAll(() => server?.close());

  const limit = openFileLimit();
  const isPossible = limit > SILENT * 1.2;
  if (!isPossible) console.warn(`skipped: ${SILENT} connections need more than the ${limit} open files of "ulimit -n"`);
  test.skipIf(!isPossible)(`${SILENT} connections that say nothing cost little and go away`, async () => {
    global.gc?.();
    const before = process.memoryUsage().rss;
    const clients = startProcess(process.execPath, [
      join(import.meta.dirname, '../services/silent-clients.ts'),
      String(server.port),
      String(SILENT),
    ]);
    const startedAt = performance.now();
    // The first connections may have been dropped before the last ones are open on a slow machine.
    await clients.waitFor(new RegExp(`open ${SILENT}`));
    const each = (process.memoryUsage().rss - before) / server.connections();
    expect(server.connections()).toBeGreaterThan(SILENT / 2);
    console.log(`${Math.round(each)} bytes for each of ${server.connections()} connections`);
    expect(each).toBeLessThan(24 * 1024);
    const calledAt = performance.now();
    expect(await answeredCall(server.port)).toBe('SET VARIABLE VOICEOI_CALL_ID "x"');
    expect(performance.now() - calledAt).toBeLessThan(1000);
    await clients.waitFor(new RegExp(`closed ${SILENT}`));
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    await until(() => server.connections() === 0);
    await clients.stop();
  });
});

describe('readers of what Asterisk sends', () => {
  test(`${ENVIRONMENTS} broken environments`, () => {
    const seen = new Set<string>();
    const pristine = Object.getOwnPropertyNames(Object.prototype).length;
    fuzz(ENVIRONMENTS, 1, (random) => {
      const reader = new EnvironmentReader();
      const reads = randomReads(mutated(pick(random, environments), random, environments), random);
      const kind = readUntilEnd(reader, reads);
      seen.add(kind);
      assert(kind !== 'more' || refusesInTheEnd(reader), 'it takes more and more');
    });
    expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(pristine);
    expect([...seen].sort()).toEqual(['complete', 'more', 'perhaps', 'refused']);
  });

  test(`${CUT_STREAMS} broken streams of answers say the same wherever they are cut`, () => {
    fuzz(CUT_STREAMS, 4, (random) => {
      const bytes = mutated(pick(random, streams), random, streams);
      const cut = heard(randomReads(bytes, random));
      assert(cut === heard([bytes]), 'a cut changes what is said');
    });
  });

  test(`${REPLY_STREAMS} broken streams of answers`, () => {
    const seen = new Set<string>();
    fuzz(REPLY_STREAMS, 2, (random) => {
      const reader = new ReplyReader();
      reader.begin(random() < 0.5);
      const reads = randomReads(mutated(pick(random, streams), random, streams), random);
      for (const event of reads.flatMap((read) => reader.read(read))) {
        seen.add(event.kind);
        assert(event.kind !== 'reply' || Number.isInteger(event.reply.code), 'a code that is no number');
        if (random() < 0.5) reader.begin(random() < 0.5);
      }
      reader.begin(random() < 0.5);
      assert(overflowsInTheEnd(reader), 'it takes more and more');
    });
    expect([...seen].sort()).toEqual(['hangup', 'reply']);
  });
});

/** What these reads say to one who asked for no variable, whose value would end where the bytes end. */
function heard(reads: readonly Buffer[]): string {
  const reader = new ReplyReader();
  reader.begin(false);
  return JSON.stringify(reads.flatMap((read) => reader.read(read)).filter(({ kind }) => kind !== 'overflow'));
}

/** Reads as a session does; what the reader said last. */
function readUntilEnd(reader: EnvironmentReader, reads: readonly Buffer[]): EnvironmentProgress['kind'] {
  let kind: EnvironmentProgress['kind'] = 'more';
  for (const read of reads) {
    const progress = reader.push(read);
    kind = progress.kind;
    if (progress.kind === 'complete' || progress.kind === 'perhaps') checkRequest(progress.environment);
    if (kind === 'complete' || kind === 'refused') break;
  }
  return kind;
}

function checkRequest(environment: AgiEnvironment): void {
  const request = readCallRequest(environment, 0);
  if ('refused' in request) return;
  const { args, lead, caller, channel } = request.call;
  for (const names of [args, lead]) assert(Object.getPrototypeOf(names) === null, 'names have a prototype');
  const values = [...Object.values(args), ...Object.values(lead), caller.name, caller.number, channel];
  assert(!values.some((value) => value.includes('\n')), 'a value has a line break');
}

function refusesInTheEnd(reader: EnvironmentReader): boolean {
  return reader.push(FLOOD).kind === 'refused';
}

function overflowsInTheEnd(reader: ReplyReader): boolean {
  for (let sent = 0; sent < 10; sent++) if (reader.read(FLOOD).some(({ kind }) => kind === 'overflow')) return true;
  return false;
}

describe('a server that broken peers call', () => {
  let server: AgiServer;
  let taken = 0;
  let ended = 0;
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => void unhandled.push(error);

  const gather: Effect = {
    kind: 'gather',
    prompts: [{ sound: 'menu' }],
    min_digits: 1,
    max_digits: 4,
    terminator: '#',
    timeout_ms: 10,
    inter_digit_timeout_ms: 10,
    speech: false,
  };
  const effects: readonly Effect[] = [
    { kind: 'answer' },
    { kind: 'play', prompt: { sound: 'hello' }, interrupt_digits: '1' },
    { kind: 'say', as: 'number', value: '5', interrupt_digits: '' },
    gather,
    { kind: 'amd', settings: [] },
    { kind: 'record', name: 'x', format: 'wav', max_seconds: 1, silence_seconds: 1, beep: false, stop_digits: '' },
    { kind: 'exec', application: 'NoOp', arguments: ['$', '{X}'] },
    { kind: 'transfer', target: { kind: 'dial', dial: 'SIP/x', timeout_seconds: 1 } },
    { kind: 'hangup' },
  ];

  const desk: CallDesk = {
    admit: (call) => {
      if (call.org_id === 'evil') return { kind: 'refused', reason: 'unknown_campaign', detail: 'nobody' };
      taken++;
      return {
        kind: 'taken',
        run: async (channel) => {
          await channel.setVariables([{ name: 'VOICEOI_CALL_ID', value: 'x' }]);
          await channel.readVariables(['first_name']);
          for (const effect of effects) await channel.perform(effect);
          await channel.setVariables([{ name: 'VOICEOI_OUTCOME', value: 'completed' }]);
          channel.close();
          ended++;
        },
      };
    },
  };

  beforeAll(async () => {
    process.on('unhandledRejection', onUnhandled);
    server = await startServer(desk);
  });
  afterAll(async () => {
    await server?.close();
    process.off('unhandledRejection', onUnhandled);
  });

  test(`${SESSIONS} sessions leave nothing behind`, async () => {
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let turn = next++; turn < SESSIONS; turn = next++)
        await brokenSession(server.port, seededRandom(SEED + 3_000_009 + turn * 7919));
    };
    await Promise.all(Array.from({ length: 50 }, worker));
    await until(() => server.connections() === 0 && ended === taken);
    expect(taken).toBeGreaterThan(SESSIONS / 2);
    expect(unhandled).toEqual([]);
    const sockets = process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap');
    expect(sockets).toEqual([]);
  });
});

/** Bytes that a peer answers a command with. */
function answerTo(random: Random): Buffer {
  const usual = pick(random, [
    '200 result=0\n',
    '200 result=49\n',
    '200 result=-1\n',
    '200 result=1 (x)\n',
    'HANGUP\n200 result=0\n',
  ]);
  const roll = random();
  if (roll < 0.75) return Buffer.from(usual);
  if (roll < 0.95) return mutated(Buffer.from(usual), random, streams);
  return mutated(pick(random, streams), random, streams);
}

/** One peer: a broken environment or a good one, broken answers, an end at any moment; nothing lasts longer than its patience. */
function brokenSession(port: number, random: Random): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const isBroken = random() < 0.4;
    const environment = pick(random, callable);
    const patience = 20 + below(random, 30);
    let commands = below(random, 25);
    let timer = setTimeout(() => leave(socket, random), 5000);
    const bear = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => leave(socket, random), patience);
    };
    socket.on('connect', () => {
      bear();
      for (const read of randomReads(isBroken ? mutated(environment, random, environments) : environment, random))
        socket.write(read);
    });
    socket.on('data', () => {
      bear();
      if (commands-- <= 0) leave(socket, random);
      else for (const read of randomReads(answerTo(random), random)) socket.write(read);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function leave(socket: Socket, random: Random): void {
  const roll = random();
  if (roll < 0.4) socket.end();
  else if (roll < 0.7) socket.resetAndDestroy();
  else if (roll < 0.9) socket.destroy();
  else socket.end(FLOOD, () => socket.destroy());
}

/** The first command of a good call. */
function answeredCall(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', reject);
    socket.on('connect', () => socket.write(callable[0] ?? ''));
    socket.once('data', (chunk) => {
      resolve(String(chunk).trim());
      socket.destroy();
    });
  });
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`FUZZ_SEED=${SEED}: not within 30 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** How many files and sockets this process may have open; Infinity where nobody says. */
function openFileLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
