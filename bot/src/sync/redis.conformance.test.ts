import type { Redis } from '@voiceoi/kernel';
import { createMetrics, openRedis } from '@voiceoi/kernel';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FakeMaster, startFakeMaster } from '../../../test/services/fake-master.ts';
import { type FaultProxy, startFaultProxy } from '../../../test/services/fault-proxy.ts';
import { type RedisService, redisSkipReason, startRedis } from '../../../test/services/redis.ts';
import {
  bundleOf,
  campaignEntry,
  changeTo,
  contentOf,
  ringOf,
  scriptEntry,
} from '../../../test/services/sync-world.ts';
import { type Configuration, startConfiguration } from './configuration.ts';
import { RHYTHM } from './follow.ts';
import { memoryStore } from './memory-store.ts';

const skip = redisSkipReason();
if (skip && process.env['CI']) throw new Error(skip);

const one = contentOf(1, { campaigns: [campaignEntry('123', 's', 1)], scripts: [scriptEntry('s', 1)] });
/** The content at a revision, and the change that leads to it. */
function revision(number: number) {
  const content = (at: number) =>
    at === 1 ? one : { ...one, revision: at, campaigns: [campaignEntry('123', 's', 1, { name: `at ${at}` })] };
  const to = content(number);
  const [campaign] = to.campaigns;
  const item = { op: 'put' as const, kind: 'campaign' as const, id: '123', object: { ...campaign } };
  return { content: to, change: changeTo(content(number - 1), to, [item]) };
}

const CHANNEL = 'voiceoi:{abc}:changes';
/** A whole minute between questions to the master: what comes sooner has come by the bus. The head is looked at every second. */
const rhythm = { ...RHYTHM, pollMs: 60_000, pollWithoutBusMs: 60_000, lookMs: 1000, retryMs: 20, calmMs: 50 };
const SOON = { timeout: 25_000, interval: 20 };

describe.skipIf(skip)('a node that follows Redis', () => {
  let master: FakeMaster;
  let redis: RedisService;
  let proxy: FaultProxy;
  let raw: Redis;
  let node: Configuration;
  let orders: unknown[];

  const applied = () => node.status()[0]?.applied;
  const source = () => node.status()[0]?.source;
  const keep = async (number: number): Promise<string> => {
    const { change } = revision(number);
    await raw.xadd('voiceoi:{abc}:history:e1', `${number}-0`, 'change', JSON.stringify(change));
    await raw.hset('voiceoi:{abc}:head', { epoch: 'e1', revision: number, sha256: change.sha256 });
    master.serve(bundle(number));
    return JSON.stringify(change);
  };
  const publish = async (number: number): Promise<void> => void (await raw.publish(CHANNEL, await keep(number)));
  const bus = () => ({
    kind: 'redis',
    host: proxy.host,
    port: proxy.port,
    tls: false,
    username: 'default',
    password: '',
  });
  const bundle = (number: number) => bundleOf(revision(number).content, { bus: bus() });
  const listeners = async () => (await raw.pubsub('NUMSUB', CHANNEL))[1];

  beforeEach(async () => {
    orders = [];
    master = await startFakeMaster();
    redis = await startRedis();
    proxy = await startFaultProxy(redis);
    raw = redis.client();
    master.serve(bundle(1));
    await keep(1);
    node = await startConfiguration({
      masterUrl: master.url,
      keys: ringOf('abc'),
      store: memoryStore(),
      bootstrap: undefined,
      openRedis,
      log: pino({ level: 'silent' }),
      metrics: createMetrics({ mode: 'test', version: '0' }),
      rhythm,
      onApply: () => {},
      onOrder: (orgId, order) => orders.push([orgId, order]),
    });
    await expect.poll(listeners, SOON).toBe(1);
  });
  afterEach(async () => {
    await node.stop();
    await proxy.close();
    await redis.stop();
    await master.close();
  });

  test('applies what is published, and needs no stream of the master meanwhile', async () => {
    await publish(2);
    await expect.poll(applied, SOON).toBe(2);
    expect(source()).toBe('redis');
    await expect.poll(() => master.openStreams(), SOON).toBe(0);
  });

  test('fills a gap from the history, in order', async () => {
    await keep(2);
    await keep(3);
    await publish(4);
    await expect.poll(applied, SOON).toBe(4);
    expect(source()).toBe('redis');
  });

  test('notices by the head that the last message was lost', async () => {
    await keep(2);
    await expect.poll(applied, SOON).toBe(2);
    expect(source()).toBe('redis');
  });

  test('asks the master where the history does not reach back', async () => {
    await raw.del('voiceoi:{abc}:history:e1');
    await publish(3);
    await expect.poll(applied, SOON).toBe(3);
    expect(source()).toBe('poll');
  });

  test('plays nothing that is not signed, and goes on with what is', async () => {
    const { change } = revision(2);
    const forged = { ...change, changes: [], sig: '0'.repeat(64) };
    await raw.publish(CHANNEL, JSON.stringify(forged));
    await raw.publish(CHANNEL, 'no JSON');
    await raw.publish(CHANNEL, '{"type":"order"}');
    await publish(2);
    await expect.poll(applied, SOON).toBe(2);
    expect(node.playable('abc')?.campaigns.get('123')?.campaign.name).toBe('at 2');
  });

  test('passes node orders on, and takes them for no changes', async () => {
    const order = { v: 1, type: 'order', org_id: 'abc', node_id: 'n', state: 'draining' };
    const asked = master.requests.length;
    await raw.publish(CHANNEL, JSON.stringify(order));
    await expect.poll(() => orders, SOON).toEqual([['abc', order]]);
    expect(master.requests.length).toBe(asked);
  });

  test('follows the master’s stream while Redis is away, and Redis when it is back', async () => {
    await redis.kill();
    await expect.poll(() => master.openStreams(), SOON).toBe(1);
    master.serve(bundle(2));
    master.emit('change', revision(2).change);
    await expect.poll(applied, SOON).toBe(2);
    await redis.restart();
    raw = redis.client();
    await expect.poll(listeners, SOON).toBe(1);
    await publish(3);
    await expect.poll(applied, SOON).toBe(3);
    await expect.poll(() => master.openStreams(), SOON).toBe(0);
  });

  test('notices a connection that is half open, and follows another', async () => {
    proxy.set({ kind: 'half-open' });
    await keep(2);
    await expect.poll(applied, SOON).toBe(2);
    await expect.poll(listeners, SOON).toBeGreaterThan(1);
    await publish(3);
    await expect.poll(applied, SOON).toBe(3);
    expect(source()).toBe('redis');
  });

  test('takes the way into Redis from a newer bundle where it is no longer let in', async () => {
    await raw.acl('SETUSER', 'next', 'on', '>secret', '~*', '&*', '+@all');
    master.serve(bundleOf(one, { bus: { ...bus(), username: 'next', password: 'secret' } }));
    await raw.acl('SETUSER', 'default', 'resetpass', '>other');
    await raw.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await expect.poll(listeners, SOON).toBe(1);
    await publish(2).catch(() => {});
    const users = String(await raw.client('LIST')).match(/user=next/g);
    expect(users).not.toBeNull();
  });
});
