import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type Loopback, playAsterisk, startLoopback } from '../../../test/services/agi-peer.ts';
import {
  type OrderlyTurn,
  orderlyTurns,
  type Recording,
  readRecordings,
} from '../../../test/services/agi-recordings.ts';
import type { Command } from './command.ts';
import { AgiConnection } from './connection.ts';
import { type AgiEnvironment, EnvironmentReader } from './environment.ts';
import { NO_REPLY, type Reply } from './reply.ts';

let loopback: Loopback;

beforeAll(async () => {
  loopback = await startLoopback();
});
afterAll(async () => {
  const left = process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap');
  await loopback.close();
  expect(left).toEqual([]);
});

interface Session {
  readonly connection: AgiConnection;
  readonly asterisk: Socket;
  readonly environment: AgiEnvironment;
  /** Both ends are closed. */
  readonly closed: Promise<unknown>;
}

/** A session whose environment came over a real socket, in the writes of the recording. */
async function session(recording: Recording): Promise<Session> {
  const { accepted, asterisk } = await loopback.pair();
  const connection = new AgiConnection(accepted, performance.now());
  const closed = Promise.all([once(accepted, 'close'), once(asterisk, 'close')]);
  accepted.on('error', () => connection.destroy());
  accepted.on('close', () => connection.closed());
  const read = new Promise<AgiEnvironment>((resolve, reject) => {
    let reader: EnvironmentReader | undefined = new EnvironmentReader();
    accepted.on('data', (chunk) => {
      const progress = reader?.push(chunk);
      if (!progress) return connection.receive(chunk);
      if (progress.kind === 'refused') reject(new Error(progress.reason));
      if (progress.kind !== 'complete') return;
      reader = undefined;
      resolve(progress.environment);
    });
  });
  for (const bytes of recording.environment) {
    asterisk.write(bytes);
    await new Promise(setImmediate);
  }
  return { connection, asterisk, environment: await read, closed };
}

const asksForValue = (line: string): boolean => /^GET (FULL )?VARIABLE|^DATABASE GET/.test(line);

/** Any line as a command: recorded servers said what no builder builds. */
function recordedCommand(line: string): Command {
  return { line, timeoutMs: 5000, expectsValue: asksForValue(line) } as unknown as Command;
}

/** What was recorded behind a command, read as plainly as a whole answer can be. */
function plainReply({ command, answer }: OrderlyTurn): Partial<Reply> {
  const text = Buffer.concat(answer)
    .toString()
    .replace(/^(?:HANGUP|100 .*)\n/gm, '');
  if (text === '') return NO_REPLY;
  const code = Number(text.slice(0, 3));
  if (code !== 200) return { code, result: '' };
  const [, value] = (asksForValue(command) && /^200 result=1 \((.*)\)\n$/s.exec(text)) || [];
  return { code, result: /result=(\S*)/.exec(text)?.[1] ?? '', ...(value !== undefined && { value }) };
}

/** Recorded servers that take HANGUP for an answer: their commands run one ahead of the answers. */
const IS_AHEAD = /\/callerhup_stream$/;
/** Recorded servers that leave first. */
const LEAVES = /\/(close_now|close_mid|rst|rst_mid|nonl|failure_first|failure)$/;

const recordings = readRecordings().map((recording) => ({ name: recording.name, recording }));
const leaving = recordings.filter(({ name }) => LEAVES.test(name));
const orderly = recordings
  .filter(({ name }) => !LEAVES.test(name) && !IS_AHEAD.test(name))
  .flatMap(({ name, recording }) => {
    const turns = orderlyTurns(recording);
    return turns ? [{ name, recording, turns }] : [];
  });
const taken = new Set([...leaving, ...orderly].map(({ name }) => name));
const disorderly = recordings.filter(({ name }) => !taken.has(name));

test('all recordings of both versions are played', () => {
  expect([leaving.length, orderly.length, disorderly.length]).toEqual([14, 102, 16]);
});

describe('a recorded session', () => {
  test.each(orderly)('$name: every answer belongs to its command', async ({ recording, turns }) => {
    const { connection, asterisk, environment, closed } = await session(recording);
    expect(environment.variables.network).toBe('yes');
    const lines = playAsterisk(asterisk, (_line, index) => recordedAnswer(turns, index));
    let isHungUp = false;
    for (const turn of turns) {
      const expected = plainReply(turn);
      expect(await connection.send(recordedCommand(turn.command)), turn.command).toMatchObject(expected);
      isHungUp ||= expected.code === 511 || expected.code === 0;
      if (isHungUp) expect(connection.isHungUp).toBe(true);
      isHungUp ||= /^HANGUP$/m.test(Buffer.concat(turn.answer).toString());
    }
    connection.end();
    await closed;
    expect(connection.isHungUp).toBe(true);
    const unheard = turns.findIndex((turn) => plainReply(turn).code === 0);
    expect(lines).toEqual(turns.slice(0, unheard < 0 ? turns.length : unheard + 1).map(({ command }) => command));
  });

  test.each(disorderly)('$name: whatever was broken, it comes to an end', async ({ recording }) => {
    const { connection, asterisk, closed } = await session(recording);
    const answers = settlingAnswers(recording);
    playAsterisk(asterisk, () => answers.shift() ?? 'end');
    for (const { from, bytes } of recording.dialogue) {
      if (from === 'asterisk') continue;
      const reply = await connection.send(recordedCommand(bytes.toString().replace(/\n$/, '')));
      expect([0, 200, 510, 511, 520]).toContain(reply.code);
    }
    connection.end();
    await closed;
    expect(connection.isHungUp).toBe(true);
    expect(connection.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test.each(leaving)('$name: a server that leaves leaves nothing open', async ({ name, recording }) => {
    const { connection, asterisk, closed } = await session(recording);
    asterisk.resume();
    const command = recording.dialogue.find(({ from }) => from === 'server')?.bytes.toString() ?? '';
    const reply = command === '' ? undefined : connection.send(recordedCommand(command.replace(/\n$/, '')));
    if (name.includes('rst')) connection.destroy();
    else connection.end();
    expect((await reply) ?? NO_REPLY).toEqual(NO_REPLY);
    await closed;
    expect(connection.isHungUp).toBe(true);
    expect(await connection.send(recordedCommand('NOOP'))).toEqual(NO_REPLY);
  });
});

/** As recorded; where nothing was answered any more, Asterisk had closed. */
function recordedAnswer(turns: readonly OrderlyTurn[], index: number): Answer {
  const turn = turns[index];
  return turn && plainReply(turn).code !== 0 ? turn.answer : 'end';
}

/** All that Asterisk sent, in pieces of which each holds an answer to something. */
function settlingAnswers({ dialogue }: Recording): Buffer[][] {
  const answers: Buffer[][] = [];
  let piece: Buffer[] = [];
  for (const { from, bytes } of dialogue) {
    if (from === 'server') continue;
    piece.push(bytes);
    if (!/^(?!100)\d{3} /m.test(bytes.toString())) continue;
    answers.push(piece);
    piece = [];
  }
  return answers;
}
