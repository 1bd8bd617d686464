import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Loopback, playAsterisk, startLoopback } from '../../../test/services/agi-peer.ts';
import { channelStatus, getVariable, setVariable, waitForDigit } from './command.ts';
import { AgiConnection } from './connection.ts';
import { NO_REPLY } from './reply.ts';

let loopback: Loopback;

beforeAll(async () => {
  loopback = await startLoopback();
});
afterAll(() => loopback.close());

/** A connection of ours over a real socket, and the other end of it. */
async function pair(): Promise<{ readonly connection: AgiConnection; readonly asterisk: Socket }> {
  const { accepted, asterisk } = await loopback.pair();
  const connection = new AgiConnection(accepted, performance.now());
  accepted.on('data', (chunk) => connection.receive(chunk));
  accepted.on('error', () => connection.destroy());
  accepted.on('close', () => connection.closed());
  return { connection, asterisk };
}

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

  test('half a line from before the first command is no part of its answer', async () => {
    const { connection, asterisk } = await pair();
    asterisk.write('HANGUP\nagi_rest_of_a_forged');
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
    playAsterisk(asterisk, () => ['200 result=1\n']);
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
    playAsterisk(asterisk, (_line, index) => (index === 0 ? ['200 result=1\n'] : []));
    connection.limit(1000);
    const closeBy = connection.deadline;
    await connection.send(setVariable('A', '1'));
    expect(connection.deadline).toBe(closeBy);
    connection.send(waitForDigit(60_000));
    expect(connection.deadline).toBe(closeBy);
    connection.destroy();
  });

  test('a connection that was given back but not taken is closed two seconds later', async () => {
    const { connection } = await pair();
    connection.end();
    expect(connection.deadline - performance.now()).toBeLessThanOrEqual(2000);
    connection.expire();
    expect(connection.isHungUp).toBe(true);
    expect(connection.deadline).toBe(Number.POSITIVE_INFINITY);
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
