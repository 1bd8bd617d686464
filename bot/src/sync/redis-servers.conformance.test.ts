import { createMetrics, openRedis, type Redis } from '@voiceoi/kernel';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FakeMaster, startFakeMaster } from '../../../test/services/fake-master.ts';
import { type RedisService, redisSkipReason } from '../../../test/services/redis.ts';
import { type RedisCluster, startRedisCluster } from '../../../test/services/redis-cluster.ts';
import { type RedisSentinels, startRedisSentinels } from '../../../test/services/redis-sentinel.ts';
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

const SOON = { timeout: 30_000, interval: 20 };
/** A whole minute between questions to the master: what comes sooner has come by the bus. The head is looked at every second. */
const rhythm = { ...RHYTHM, pollMs: 60_000, pollWithoutBusMs: 60_000, lookMs: 1000, retryMs: 20, calmMs: 50 };

/** An organization's content at a revision, and the change that leads to it. */
function world(org_id: string) {
  const content = (revision: number) =>
    contentOf(revision, {
      org_id,
      campaigns: [campaignEntry('123', 's', 1, { name: `at ${revision}` })],
      scripts: [scriptEntry('s', 1)],
    });
  const changeAt = (revision: number) => {
    const [campaign] = content(revision).campaigns;
    const item = { op: 'put' as const, kind: 'campaign' as const, id: '123', object: { ...campaign } };
    return changeTo(content(revision - 1), content(revision), [item]);
  };
  return { content, changeAt };
}

/** Puts a change where the master would. */
async function keep(redis: Redis, org: string, revision: number): Promise<string> {
  const change = world(org).changeAt(revision);
  await redis.xadd(`voiceoi:{${org}}:history:e1`, `${revision}-0`, 'change', JSON.stringify(change));
  await redis.hset(`voiceoi:{${org}}:head`, { epoch: 'e1', revision, sha256: change.sha256 });
  return JSON.stringify(change);
}

describe.skipIf(skip)('nodes that follow more than one server of Redis', () => {
  let stops: (() => Promise<unknown>)[];
  beforeEach(() => {
    stops = [];
  });
  afterEach(async () => {
    for (const stop of stops.reverse()) await stop();
  });

  const startNode = async (org: string, bus: object): Promise<{ node: Configuration; master: FakeMaster }> => {
    const master = await startFakeMaster();
    const first = { kind: 'redis', tls: false, username: 'default', password: '' };
    master.serve(bundleOf(world(org).content(1), { bus: { ...first, ...bus } }));
    const node = await startConfiguration({
      masterUrl: master.url,
      keys: ringOf(org),
      store: memoryStore(),
      bootstrap: undefined,
      openRedis,
      log: pino({ level: 'silent' }),
      metrics: createMetrics({ mode: 'test', version: '0' }),
      rhythm,
      onApply: () => {},
      onOrder: () => {},
    });
    stops.push(() => master.close());
    stops.push(() => node.stop());
    return { node, master };
  };
  const state = (node: Configuration) => {
    const { applied, source } = node.status()[0] ?? {};
    return { applied, source };
  };
  const isQuiet = (master: FakeMaster) => expect.poll(() => master.openStreams(), SOON).toBe(0);

  describe('of a cluster', () => {
    const orgs = ['abc', 'b', 'c', 'd', 'e', 'f'];
    let cluster: RedisCluster;
    const publish = async (org: string, revision: number): Promise<void> => {
      const raw = (await cluster.serverOf(org)).client();
      await raw.publish(`voiceoi:{${org}}:changes`, await keep(raw, org, revision));
    };
    const start = async (org: string) => {
      const servers = cluster.servers.map(({ host, port }) => ({ host, port }));
      await keep((await cluster.serverOf(org)).client(), org, 1);
      const started = await startNode(org, { ...servers[0], cluster: servers });
      await expect.poll(() => state(started.node).applied, SOON).toBe(1);
      await isQuiet(started.master);
      return started;
    };
    beforeEach(async () => {
      cluster = await startRedisCluster();
      stops.push(() => cluster.stop());
    });

    test('hear what any of its servers has, and repair gaps from there', async () => {
      const nodes = await Promise.all(orgs.map(async (org) => ({ org, ...(await start(org)) })));
      for (const { org } of nodes) await publish(org, 2);
      for (const { node } of nodes) await expect.poll(() => state(node), SOON).toEqual({ applied: 2, source: 'redis' });
      for (const { org } of nodes) await keep((await cluster.serverOf(org)).client(), org, 3);
      for (const { node } of nodes) await expect.poll(() => state(node), SOON).toEqual({ applied: 3, source: 'redis' });
    });

    test('leave a server that dies, and go on with what the others have', async () => {
      const nodes = await Promise.all(orgs.map(async (org) => ({ org, ...(await start(org)) })));
      const owners = new Map<string, RedisService>();
      for (const org of orgs) owners.set(org, await cluster.serverOf(org));
      const [dead] = cluster.servers;
      await dead?.kill();
      for (const { org, master, node } of nodes) {
        await isQuiet(master);
        if (owners.get(org) === dead) continue;
        await publish(org, 2);
        await expect.poll(() => state(node), SOON).toEqual({ applied: 2, source: 'redis' });
        await keep((await cluster.serverOf(org)).client(), org, 3);
        await expect.poll(() => state(node), SOON).toEqual({ applied: 3, source: 'redis' });
      }
      expect(new Set(owners.values()).size).toBe(3);
    });
  });

  test('behind Sentinels go over to the new master, and hear what it has', async () => {
    const set: RedisSentinels = await startRedisSentinels();
    stops.push(() => set.stop());
    const publish = async (revision: number): Promise<void> => {
      const raw = (await set.master()).client();
      await raw.publish('voiceoi:{abc}:changes', await keep(raw, 'abc', revision));
    };
    const listeners = async (): Promise<unknown> =>
      (
        await (
          await set.master()
        )
          .client()
          .pubsub('NUMSUB', 'voiceoi:{abc}:changes')
          .catch(() => [])
      )[1];
    await keep((await set.master()).client(), 'abc', 1);
    const bus = { ...set.addresses[0], sentinels: set.addresses, master_name: set.masterName };
    const { node, master } = await startNode('abc', bus);
    await expect.poll(listeners, SOON).toBe(1);
    await publish(2);
    await expect.poll(() => state(node), SOON).toEqual({ applied: 2, source: 'redis' });

    const dead = await set.master();
    await dead.kill();
    await expect.poll(set.master, SOON).not.toBe(dead);
    await expect.poll(listeners, SOON).toBe(1);
    await publish(3);
    await expect.poll(() => state(node), SOON).toEqual({ applied: 3, source: 'redis' });
    await isQuiet(master);
  });
});
