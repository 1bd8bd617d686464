import type { RedisConnections } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { busOf, makeOrg, nodeConnections, rename, revisionOf, SOON } from '../../../test/services/bus-operations.ts';
import { redisSkipReason } from '../../../test/services/redis.ts';
import { type RedisSentinels, startRedisSentinels } from '../../../test/services/redis-sentinel.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

const skip = redisSkipReason();
if (skip && process.env['CI']) throw new Error(skip);

describe.skipIf(skip)('the event bus behind Sentinels', () => {
  let set: RedisSentinels;
  let one: TestMaster;
  let node: RedisConnections;
  const heard: number[] = [];

  beforeAll(async () => {
    set = await startRedisSentinels(3);
    const [first] = set.addresses;
    if (!first) throw new Error('there are Sentinels');
    const address = { ...first, tls: false, sentinels: set.addresses, master_name: set.masterName };
    one = await startTestMaster({ postgres: true, redis: address });
    await makeOrg(one, 'abc');
    node = await nodeConnections(one, 'abc');
    const listen = () => node.messages.subscribe('voiceoi:{abc}:changes');
    node.messages.on('message', (_channel, text) => heard.push(JSON.parse(text).to));
    await listen();
    node.messages.on('ready', () => void listen().catch(() => {}));
  });
  afterAll(async () => {
    node?.close();
    await one?.stop();
    await set?.stop();
  });

  test('nodes are told of the Sentinels, and a commit reaches one', async () => {
    const bus = await busOf(one, 'abc');
    expect(bus).toMatchObject({ sentinels: set.addresses, master_name: set.masterName });
    await rename(one, 'abc', 'Renamed');
    const revision = await revisionOf(one, 'abc');
    await expect.poll(() => heard.at(-1), SOON).toBe(revision);
  });

  test('once its master is dead and another was made, commits reach nodes again, and user, head and history are there', async () => {
    const dead = await set.master();
    await dead.kill();
    await rename(one, 'abc', 'while there is none');
    const revision = await revisionOf(one, 'abc');
    await expect.poll(set.master, SOON).not.toBe(dead);
    const raw = (await set.master()).client();
    await expect.poll(() => raw.acl('USERS').catch(() => []), SOON).toContain('voiceoi-abc');
    await expect.poll(() => raw.hget('voiceoi:{abc}:head', 'revision').catch(String), SOON).toBe(String(revision));
    await expect.poll(() => node.messages.status, SOON).toBe('ready');
    await rename(one, 'abc', 'Renamed again');
    await expect.poll(() => heard.at(-1), SOON).toBe(revision + 1);
    const [epoch] = await node.commands.hmget('voiceoi:{abc}:head', 'epoch');
    const entries = await node.commands.xrange(`voiceoi:{abc}:history:${epoch}`, '-', '+');
    expect(entries.map(([id]) => id)).toEqual(Array.from({ length: revision + 1 }, (_, at) => `${at + 1}-0`));
  });
});
