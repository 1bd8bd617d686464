import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresServerSkipReason } from '../services/postgres.ts';
import { redisSkipReason } from '../services/redis.ts';
import { eventually } from '../services/standalone.ts';
import { isTaken } from './calls.ts';
import { drill } from './drill.ts';
import { ORG, startWorld, type World } from './world.ts';

describe.skipIf(postgresServerSkipReason() ?? redisSkipReason())('with calls running, when nodes come and go', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.stop());

  test('nodes are killed again and again: no call that had ended is lost, none is there twice', async () => {
    await drill(world, { publishEveryMs: 500, perSecond: 20 }, async ({ publish, untilPlayed }) => {
      for (const node of [...world.nodes, ...world.nodes]) {
        await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 1200));
        await node.kill();
        await node.start();
        await node.ready();
      }
      await untilPlayed(await publish(), 5000);
    });
  });

  test('nodes are restarted one after the other: every call is taken by one of them, and played to its end', async () => {
    await drill(world, { publishEveryMs: 500 }, async ({ calls, publish, untilPlayed }) => {
      for (const node of world.nodes) {
        expect(await node.stop()).toBe(0);
        await node.start();
        await node.ready();
        await untilPlayed(await publish(), 3000);
      }
      const lost = calls.dialed.filter((tries) => tries.length > 1 && !tries.some(isTaken));
      expect(lost).toEqual([]);
    });
  });

  test('a node that is drained refuses new calls, ends those it has, and takes calls again', async () => {
    await drill(world, { publishEveryMs: 500 }, async ({ away, calls }) => {
      const [node] = world.nodes;
      const [, master] = world.masters;
      await away([node], async () => {
        await world.api(master, 'POST', `/api/orgs/${ORG}/nodes/${node.name}/drain`);
        await eventually(
          async () => calls.placeOn(node),
          (call) => !isTaken(call),
          2000,
        );
        await eventually(
          async () => (await node.state()).calls.active,
          (active) => active === 0,
          5000,
        );
        await world.api(master, 'POST', `/api/orgs/${ORG}/nodes/${node.name}/resume`);
        await eventually(async () => calls.placeOn(node), isTaken, 2000);
      });
      const lost = calls.dialed.filter((tries) => tries.length > 1 && !tries.some(isTaken));
      expect(lost).toEqual([]);
    });
  });
});
