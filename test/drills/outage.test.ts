import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresServerSkipReason } from '../services/postgres.ts';
import { redisSkipReason } from '../services/redis.ts';
import { eventually } from '../services/standalone.ts';
import { drill } from './drill.ts';
import { startWorld, type World } from './world.ts';

describe.skipIf(postgresServerSkipReason() ?? redisSkipReason())(
  'with calls running, when what feeds the nodes goes away',
  () => {
    let world: World;
    beforeAll(async () => {
      world = await startWorld();
    });
    afterAll(() => world?.stop());

    /** Time in which calls go on; nothing is waited for. */
    const passes = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    const back = async (): Promise<void> => {
      for (const master of world.masters) await master.start();
      for (const master of world.masters) await master.ready();
    };

    test('a master that is killed: the other one’s changes arrive by Redis, and its own node’s records wait for it', async () => {
      await drill(world, {}, async ({ publish, untilPlayed }) => {
        const [a, b] = world.masters;
        await publish(a);
        await a.kill();
        await untilPlayed(await publish(b), 2000);
        await a.start();
        await a.ready();
      });
    });

    test('a node whose master does not come back goes on with the other one behind the same address', async () => {
      await drill(world, { publishEveryMs: 500 }, async ({ publish, untilPlayed }) => {
        const [a, b] = world.masters;
        const [node] = world.nodes;
        await a.kill();
        node.toMaster.aim({ host: '127.0.0.1', port: b.port });
        await untilPlayed(await publish(b), 2000);
        await a.start();
        await a.ready();
        node.toMaster.aim({ host: '127.0.0.1', port: a.port });
      });
    });

    test('masters are killed at any moment: what the API has confirmed is played, and no record is lost or there twice', async () => {
      await drill(world, { publishEveryMs: 150, perSecond: 20 }, async ({ publish, untilPlayed }) => {
        for (const master of [...world.masters, ...world.masters]) {
          await passes(200 + Math.random() * 800);
          await master.kill();
          await master.start();
          await master.ready();
        }
        for (const master of world.masters) await untilPlayed(await publish(master), 3000);
      });
    });

    test('masters are restarted one after the other', async () => {
      await drill(world, { publishEveryMs: 250 }, async ({ publish, untilPlayed }) => {
        for (const master of world.masters) {
          expect(await master.stop()).toBe(0);
          await master.start();
          await master.ready();
          await untilPlayed(await publish(master), 3000);
        }
      });
    });

    test('Postgres is killed and comes back', async () => {
      await drill(world, { dueMs: 5000, publishEveryMs: 200 }, async ({ blind, publish, untilPlayed }) => {
        await untilPlayed(await publish(), 3000);
        await blind(world.nodes, async () => {
          await world.postgres.kill();
          await passes(1000);
          await world.postgres.restart();
          for (const master of world.masters) await master.ready();
        });
        for (const master of world.masters) await untilPlayed(await publish(master), 5000);
      });
    });

    test('Postgres does not answer, though its connections stand', async () => {
      await drill(world, { dueMs: 5000, publishEveryMs: 200 }, async ({ blind, publish, untilPlayed }) => {
        await blind(world.nodes, async () => {
          for (const { toPostgres } of world.masters) toPostgres.set({ kind: 'stall' });
          await passes(8000);
          for (const { toPostgres } of world.masters) toPostgres.set({ kind: 'none' });
        });
        for (const master of world.masters) await master.ready();
        for (const master of world.masters) await untilPlayed(await publish(master), 5000);
      });
    });

    test('a master whose way to Postgres is half open finds another within a minute', async () => {
      await drill(world, { dueMs: 5000 }, async ({ publish, untilPlayed }) => {
        const [a, b] = world.masters;
        a.toPostgres.set({ kind: 'half-open' });
        a.toPostgres.set({ kind: 'none' });
        await untilPlayed(await publish(b), 5000);
        const isPublished = (): Promise<boolean> =>
          publish(a).then(
            () => true,
            () => false,
          );
        await eventually(isPublished, (done) => done, 60_000);
        await a.ready();
      });
    });

    test('while Redis is down and the way to the master is half open, the stream is given up within a minute', async () => {
      await drill(world, { dueMs: 60_000 }, async ({ publish, untilPlayed }) => {
        const [node, other] = world.nodes;
        await world.redis.kill();
        await untilPlayed(await publish(), 15_000);
        node.toMaster.set({ kind: 'half-open' });
        node.toMaster.set({ kind: 'none' });
        const last = await publish();
        await untilPlayed(last, 5000, [other]);
        await untilPlayed(last, 60_000, [node]);
        await world.redis.restart();
      });
    });

    test('everything is down, and a node is killed and comes back meanwhile: both take every call with what they have', async () => {
      await drill(world, { dueMs: 20_000 }, async ({ blind, publish, untilPlayed, calls }) => {
        const last = await publish();
        await untilPlayed(last, 5000);
        const [node] = world.nodes;
        await blind(world.nodes, async () => {
          for (const master of world.masters) await master.kill();
          await world.redis.kill();
          await world.postgres.kill();
          await passes(1500);
          await node.kill();
          await node.start();
          await node.ready();
          expect(await calls.placeOn(node)).toMatchObject({ prompts: [last.prompt, last.prompt] });
          await passes(1500);
          await world.postgres.restart();
          await world.redis.restart();
          await back();
        });
        await untilPlayed(await publish(), 20_000);
      });
    });
  },
);
