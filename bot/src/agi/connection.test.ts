import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OrderlyTurn, orderlyTurns, readRecordings } from '../../../test/services/agi-recordings.ts';
import { type Command, channelStatus, getVariable, setVariable, waitForDigit } from './command.ts';
import { AgiConnection } from './connection.ts';
import { NO_REPLY, type Reply, ReplyReader } from './reply.ts';

let server: Server;
const accepted: ((socket: Socket) => void)[] = [];

beforeAll(async () => {
  server = createServer({ noDelay: true }, (socket) => accepted.shift()?.(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => server.close());

/** A connection of ours over a real socket, and the other end of it. */
async function pair(): Promise<{ readonly connection: AgiConnection; readonly asterisk: Socket }> {
  const ours = new Promise<Socket>((resolve) => accepted.push(resolve));
  const address = server.address();
  const asterisk = connect({ port: typeof address === 'object' ? (address?.port ?? 0) : 0, noDelay: true });
  const socket = await ours;
  const connection = new AgiConnection(socket, performance.now());
  socket.on('data', (chunk) => connection.receive(chunk));
  socket.on('error', () => connection.destroy());
  socket.on('close', () => connection.closed());
  asterisk.on('error', () => {});
  return { connection, asterisk };
}

/** Any line as a command: recorded servers said what no builder builds. */
function recordedCommand(line: string): Command {
  const expectsValue = /^GET (FULL )?VARIABLE|^DATABASE GET/.test(line);
  return { line, timeoutMs: 5000, expectsValue } as unknown as Command;
}

/** The answer to a recorded turn, and whether HANGUP stood in it. */
function recordedAnswer({ command, answer }: OrderlyTurn): {
  readonly reply: Reply | undefined;
  readonly hangup: boolean;
} {
  const reader = new ReplyReader();
  reader.begin(recordedCommand(command).expectsValue);
  const events = answer.flatMap((bytes) => reader.read(bytes));
  const reply = events.find((event) => event.kind === 'reply')?.reply;
  return { reply, hangup: events.some(({ kind }) => kind === 'hangup') };
}

/** Answers each command with what was recorded behind it, write by write. */
function playAsterisk(asterisk: Socket, turns: readonly OrderlyTurn[]): readonly string[] {
  const commands: string[] = [];
  let text = '';
  asterisk.on('data', async (chunk) => {
    text += chunk;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      commands.push(text.slice(0, end));
      text = text.slice(end + 1);
      for (const bytes of turns[commands.length - 1]?.answer ?? []) {
        asterisk.write(bytes);
        await new Promise(setImmediate);
      }
    }
  });
  return commands;
}

const answered = readRecordings().flatMap((recording) => {
  const turns = orderlyTurns(recording);
  const isAnswered = turns?.every((turn) => recordedAnswer(turn).reply !== undefined);
  return turns && isAnswered && turns.length > 0 ? [{ name: recording.name, turns }] : [];
});

describe('a recorded session over a real socket', () => {
  test('most sessions are there', () => {
    expect(answered.length).toBeGreaterThan(90);
  });

  test.each(answered)('$name: every answer belongs to its command', async ({ turns }) => {
    const { connection, asterisk } = await pair();
    const commands = playAsterisk(asterisk, turns);
    let isHungUp = false;
    for (const turn of turns) {
      const { reply, hangup } = recordedAnswer(turn);
      expect(await connection.send(recordedCommand(turn.command)), turn.command).toEqual(reply);
      isHungUp ||= reply?.code === 511;
      expect(connection.isHungUp || !isHungUp).toBe(true);
      isHungUp ||= hangup;
    }
    connection.end();
    await connectionGone(connection);
    expect(commands).toEqual(turns.map(({ command }) => command));
  });

  const disorderly = readRecordings().filter((recording) => !orderlyTurns(recording));
  test.each(disorderly)('$name: bytes that nobody asked for do no harm', async ({ dialogue }) => {
    const { connection, asterisk } = await pair();
    const answer = connection.send(channelStatus());
    for (const { from, bytes } of dialogue) if (from === 'asterisk') asterisk.write(bytes);
    asterisk.end();
    expect([0, 200, 510, 511]).toContain((await answer).code);
    await connectionGone(connection);
  });
});

function connectionGone(connection: AgiConnection): Promise<void> {
  return new Promise((resolve) => connection.onGone(resolve));
}

describe('one command in flight', () => {
  test('a second one is not sent', async () => {
    const { connection, asterisk } = await pair();
    const first = connection.send(channelStatus());
    expect(await connection.send(getVariable('X'))).toEqual(NO_REPLY);
    asterisk.write('200 result=6\n');
    expect(await first).toEqual({ code: 200, result: '6' });
    connection.end();
    const [received] = await once(asterisk, 'data');
    expect(String(received)).toBe('CHANNEL STATUS\n');
  });

  test('an answer too many is not taken for the next command’s', async () => {
    const { connection, asterisk } = await pair();
    asterisk.write('200 result=55\nagi_junk: 1\n200 result=66\nHANGUP\n');
    await connectionGone(connection);
    const answer = connection.send(channelStatus());
    await once(asterisk, 'data');
    asterisk.write('200 result=6\n');
    expect(await answer).toEqual({ code: 200, result: '6' });
    connection.destroy();
  });

  test('times are those of the first and the last command and of the last answer', async () => {
    const { connection, asterisk } = await pair();
    expect(connection.firstCommandAt).toBeUndefined();
    playAsterisk(
      asterisk,
      [0, 1].map(() => ({ command: '', answer: [Buffer.from('200 result=1\n')] })),
    );
    await connection.send(setVariable('A', '1'));
    const first = connection.firstCommandAt ?? Number.NaN;
    await connection.send(setVariable('B', '2'));
    expect(connection.firstCommandAt).toBe(first);
    expect(connection.lastCommandAt).toBeGreaterThan(first);
    expect(connection.lastReplyAt).toBeGreaterThan(connection.lastCommandAt);
    connection.end();
  });
});

describe('an end at any moment', () => {
  test('the other side closes while a command runs', async () => {
    const { connection, asterisk } = await pair();
    const answer = connection.send(waitForDigit(60_000));
    asterisk.end();
    expect(await answer).toEqual(NO_REPLY);
    expect(connection.isHungUp).toBe(true);
    expect(await connection.send(channelStatus())).toEqual(NO_REPLY);
  });

  test('the other side resets while a command runs', async () => {
    const { connection, asterisk } = await pair();
    const answer = connection.send(waitForDigit(60_000));
    await once(asterisk, 'data');
    asterisk.resetAndDestroy();
    expect(await answer).toEqual(NO_REPLY);
  });

  test('the other side is gone before the command is written', async () => {
    const { connection, asterisk } = await pair();
    asterisk.resetAndDestroy();
    await connectionGone(connection);
    expect(await connection.send(channelStatus())).toEqual(NO_REPLY);
  });

  test('HANGUP while nothing runs is told at once', async () => {
    const { connection, asterisk } = await pair();
    asterisk.write('HANGUP\n');
    await connectionGone(connection);
    expect(connection.isHungUp).toBe(true);
  });

  test('a command that takes too long ends the connection', async () => {
    const { connection } = await pair();
    const answer = connection.send(waitForDigit(100));
    expect(connection.deadline - performance.now()).toBeCloseTo(10_100, -2);
    connection.expire();
    expect(await answer).toEqual(NO_REPLY);
    expect(connection.isHungUp).toBe(true);
  });

  test('after HANGUP the running command has five seconds left', async () => {
    const { connection, asterisk } = await pair();
    connection.send(waitForDigit(60_000));
    asterisk.write('HANGUP\n');
    await connectionGone(connection);
    expect(connection.deadline - performance.now()).toBeLessThanOrEqual(5000);
    connection.destroy();
  });

  test('no command outlives the time that is left', async () => {
    const { connection, asterisk } = await pair();
    playAsterisk(asterisk, [{ command: '', answer: [Buffer.from('200 result=1\n')] }]);
    connection.limit(1000);
    const closeBy = connection.deadline;
    await connection.send(setVariable('A', '1'));
    expect(connection.deadline).toBe(closeBy);
    connection.send(waitForDigit(60_000));
    expect(connection.deadline).toBe(closeBy);
    connection.destroy();
  });

  test('a flood ends the connection, and is not kept', async () => {
    const { connection, asterisk } = await pair();
    connection.send(channelStatus());
    const megabyte = Buffer.alloc(1024 * 1024, 'x');
    for (let sent = 0; sent < 10; sent++) asterisk.write(megabyte);
    await connectionGone(connection);
    expect(connection.isHungUp).toBe(true);
  });

  test('last words arrive although the other side is still talking', async () => {
    const { connection, asterisk } = await pair();
    asterisk.write('x'.repeat(100_000));
    connection.end('failure no capacity\n');
    const heard: Buffer[] = [];
    asterisk.on('data', (chunk) => heard.push(chunk));
    await once(asterisk, 'end');
    expect(Buffer.concat(heard).toString()).toBe('failure no capacity\n');
  });
});
