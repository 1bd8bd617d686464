import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleSha256 } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresServerSkipReason } from '../services/postgres.ts';
import { redisSkipReason } from '../services/redis.ts';
import { eventually } from '../services/standalone.ts';
import { bundleOf } from './content.ts';
import { type Drill, drill } from './drill.ts';
import { type DrillNode, ORG, startWorld, type World } from './world.ts';

describe.skipIf(postgresServerSkipReason() ?? redisSkipReason())(
  'with calls running, and a node that finds its disk damaged while it is alone',
  () => {
    let world: World;
    beforeAll(async () => {
      world = await startWorld();
    });
    afterAll(() => world?.stop());

    const fileOf = ({ dataDir }: DrillNode): string => join(dataDir, 'bundles', `${ORG}.bundle`);
    const revisionIn = (path: string): number => JSON.parse(readFileSync(path, 'utf8').split('\n')[0] ?? '{}').revision;
    const damage = (path: string): void => {
      const bytes = readFileSync(path);
      const middle = Math.floor(bytes.length / 2);
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
      writeFileSync(path, bytes);
    };
    /** Resolves once a restart of the node would begin with what the master has. */
    const kept = async (node: DrillNode): Promise<void> => {
      const { revision } = await bundleOf(world);
      await eventually(
        async () => revisionIn(fileOf(node)),
        (found) => found === revision,
        5000,
      );
    };
    /** The node is killed, `act` comes over its disk, and it starts without a master and without Redis. */
    const alone = async (
      node: DrillNode,
      { blind, mayGoBack }: Drill,
      act: () => Promise<void>,
      then: () => Promise<void>,
    ) => {
      const work = async (): Promise<void> => {
        world.toRedis.set({ kind: 'drop' });
        node.toMaster.set({ kind: 'drop' });
        await node.kill();
        await act();
        await node.start();
        await then();
        world.toRedis.set({ kind: 'none' });
        node.toMaster.set({ kind: 'none' });
      };
      await blind(world.nodes, () => mayGoBack([node], work));
    };

    test('it plays the generation before', async () => {
      await drill(world, { dueMs: 15_000 }, async (running) => {
        const [node] = world.nodes;
        const { calls, publish, untilPlayed } = running;
        const before = await publish();
        await untilPlayed(before, 2000);
        await kept(node);
        await untilPlayed(await publish(), 2000);
        await kept(node);
        await alone(
          node,
          running,
          async () => damage(fileOf(node)),
          async () => {
            await node.ready();
            expect(await calls.placeOn(node)).toMatchObject({ prompts: [before.prompt, before.prompt] });
          },
        );
        await untilPlayed(await publish(), 15_000);
      });
    });

    test('with both generations damaged it plays the bootstrap file', async () => {
      await drill(world, { dueMs: 15_000 }, async (running) => {
        const [node] = world.nodes;
        const { calls, publish, untilPlayed } = running;
        const before = await publish();
        await untilPlayed(before, 2000);
        const content = await bundleOf(world);
        const path = join(node.dataDir, 'bootstrap.json');
        const bundle = { schema: 1, ...content, sha256: bundleSha256(content), secrets: [], bus: { kind: 'stream' } };
        await untilPlayed(await publish(), 2000);
        await kept(node);
        const act = async (): Promise<void> => {
          writeFileSync(path, JSON.stringify(bundle));
          node.settings['BOOTSTRAP_FILE'] = path;
          for (const file of [fileOf(node), `${fileOf(node)}.previous`]) damage(file);
        };
        await alone(node, running, act, async () => {
          await node.ready();
          expect((await node.state()).organizations[0].source).toBe('bootstrap');
          expect(await calls.placeOn(node)).toMatchObject({ prompts: [before.prompt, before.prompt] });
        });
        await untilPlayed(await publish(), 15_000);
      });
    });

    test('with nothing at all it is not ready, gives calls back at once, and gets itself ready when the master is there', async () => {
      await drill(world, { dueMs: 15_000 }, async (running) => {
        const [node] = world.nodes;
        const { calls, publish, untilPlayed } = running;
        const act = async (): Promise<void> => {
          delete node.settings['BOOTSTRAP_FILE'];
          rmSync(join(node.dataDir, 'bundles'), { recursive: true });
        };
        await alone(node, running, act, async () => {
          const { status, body } = await fetch(`http://127.0.0.1:${node.opsPort}/readyz`).then(async (response) => ({
            status: response.status,
            body: await response.text(),
          }));
          expect({ status, body }).toEqual({
            status: 503,
            body: expect.stringContaining('no configuration of drill yet'),
          });
          expect(await calls.placeOn(node)).toMatchObject({ agistatus: 'FAILURE' });
        });
        await node.ready();
        await untilPlayed(await publish(), 15_000);
      });
    });
  },
);
