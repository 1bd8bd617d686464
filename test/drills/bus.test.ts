import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresServerSkipReason } from '../services/postgres.ts';
import { redisSkipReason } from '../services/redis.ts';
import { eventually } from '../services/standalone.ts';
import { bundleOf, nextRevision } from './content.ts';
import { drill } from './drill.ts';
import { script } from './script.ts';
import { ORG, startWorld, type World } from './world.ts';

const CHANNEL = `voiceoi:{${ORG}}:changes`;

describe.skipIf(postgresServerSkipReason() ?? redisSkipReason())('with calls running, and a bus that fails', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.stop());

  /** The newest changes of the history, oldest first. */
  const history = async (client: Redis, count: number): Promise<readonly string[]> => {
    const [epoch] = await client.hmget(`voiceoi:{${ORG}}:head`, 'epoch');
    const entries = await client.xrevrange(`voiceoi:{${ORG}}:history:${epoch}`, '+', '-', 'COUNT', count);
    return entries.map(([, [, text]]) => text ?? '').reverse();
  };
  /** Every message that nodes would hear meanwhile is lost; connections stand. */
  const losing = async <T>(work: () => Promise<T>): Promise<T> => {
    world.toRedis.set({ kind: 'lose', text: '$7\r\nmessage' });
    const result = await work();
    // What is said goes out within 500 ms when another master has to find it.
    await eventually(
      () => world.sql('SELECT 1 FROM change_log WHERE published_at IS NULL'),
      (rows) => rows.length === 0,
    );
    world.toRedis.set({ kind: 'none' });
    return result;
  };

  test('without any fault, versions arrive and every call is played and stored', async () => {
    await drill(world, { publishEveryMs: 300 }, async ({ publish, untilPlayed }) => {
      await untilPlayed(await publish(world.masters[1]), 2000);
    });
  });

  test('a message that is lost is made up for at once by the next one, and within 20 s by the head', async () => {
    await drill(world, { dueMs: 20_000 }, async ({ publish, untilPlayed }) => {
      await losing(() => publish());
      await untilPlayed(await publish(), 2000);
      // Without this the master might be asked at just that time, as it is every minute.
      for (const { toMaster } of world.nodes) toMaster.set({ kind: 'lose', text: 'GET /api/sync' });
      await untilPlayed(await losing(() => publish()), 20_000);
      for (const { toMaster } of world.nodes) toMaster.set({ kind: 'none' });
    });
  });

  test('messages that come twice or in the wrong order change nothing', async () => {
    await drill(world, {}, async ({ publish, untilPlayed }) => {
      const client = world.redis.client();
      for (const _ of [1, 2, 3]) await publish();
      await untilPlayed(await publish(world.masters[1]), 2000);
      for (const text of (await history(client, 5)).toReversed()) await client.publish(CHANNEL, text);
      const last = await losing(async () => {
        await publish();
        return publish();
      });
      const [first = '', second = ''] = await history(client, 2);
      await client.publish(CHANNEL, second);
      await client.publish(CHANNEL, first);
      await untilPlayed(last, 2000);
      for (const text of (await history(client, 20)).toReversed()) await client.publish(CHANNEL, text);
    });
  });

  test('what somebody without the key says on the bus is dropped, told, and holds nothing up', async () => {
    await drill(world, {}, async ({ calls, publish, untilPlayed }) => {
      const client = world.redis.client();
      await untilPlayed(await publish(), 2000);
      const say = (message: object) => client.publish(CHANNEL, JSON.stringify(message));
      // All of it as it should be, but for the signature.
      const {
        epoch,
        revision: to,
        items: changes,
        sha256,
      } = nextRevision(await bundleOf(world), { s1: script('evil') });
      const when = { from: to - 1, to, committed_at: new Date().toISOString() };
      const forged = { v: 1, epoch, org_id: ORG, ...when, changes, sha256, kid: '1', sig: 'f'.repeat(64) };
      await say(forged);
      await say({ ...forged, to: to + 1000 });
      await say({ ...forged, epoch: 'another' });
      const order = { v: 1, type: 'order', org_id: ORG, node_id: 'node-1', state: 'draining' };
      await say({ ...order, issued_at: new Date().toISOString(), kid: '1', sig: 'f'.repeat(64) });
      await client.publish(CHANNEL, 'no JSON');
      for (const node of world.nodes) await node.says(/is not signed by this organization’s key/);
      for (const node of world.nodes) expect((await calls.placeOn(node)).prompts).not.toContain('evil');
      await untilPlayed(await publish(), 2000);
    });
  });

  test('a connection to Redis that is half open is given up within 20 s', async () => {
    await drill(world, { dueMs: 20_000 }, async ({ publish, untilPlayed }) => {
      world.toRedis.set({ kind: 'half-open' });
      for (const { toMaster } of world.nodes) toMaster.set({ kind: 'lose', text: 'GET /api/sync' });
      await untilPlayed(await publish(), 20_000);
      for (const { toMaster } of world.nodes) toMaster.set({ kind: 'none' });
      world.toRedis.set({ kind: 'none' });
    });
  });

  test('while Redis is down the master’s stream brings changes within 15 s, and one that comes back empty is filled within 30 s', async () => {
    await drill(world, { dueMs: 15_000 }, async ({ publish, untilPlayed }) => {
      await world.redis.kill();
      await untilPlayed(await publish(world.masters[1]), 15_000);
      await world.redis.restart();
      const { version } = await publish();
      const client = world.redis.client();
      const newest = async (): Promise<string> => (await history(client, 1))[0] ?? '';
      await eventually(newest, (text) => text.includes(`"s1@${version}"`), 30_000);
      const sources = async (): Promise<readonly string[]> => {
        await publish();
        return Promise.all(world.nodes.map(async (node) => (await node.state()).organizations[0].source));
      };
      await eventually(sources, (all) => all.every((source) => source === 'redis'), 30_000);
    });
  });

  test('masters that lose Redis feed nodes again once they have it', async () => {
    await drill(world, { dueMs: 15_000 }, async ({ publish, untilPlayed }) => {
      for (const { toRedis } of world.masters) toRedis.set({ kind: 'drop' });
      const unsaid = await publish();
      for (const { toRedis } of world.masters) toRedis.set({ kind: 'none' });
      await untilPlayed(unsaid, 15_000);
    });
  });

  test('ways that are 200 ms long slow changes down, and no call', async () => {
    const links = [...world.masters.flatMap(({ toPostgres, toRedis }) => [toPostgres, toRedis]), world.toRedis];
    links.push(...world.nodes.map(({ toMaster }) => toMaster));
    await drill(world, { dueMs: 10_000 }, async ({ calls, publish, untilPlayed }) => {
      for (const link of links) link.set({ kind: 'slow', delayMs: 200 });
      await untilPlayed(await publish(), 10_000);
      for (const link of links) link.set({ kind: 'none' });
      const turns = calls.dialed.flat().flatMap(({ turns_ms }) => turns_ms);
      expect(Math.max(...turns)).toBeLessThan(200);
    });
  });
});
