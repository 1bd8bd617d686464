import { createLogger, createMetrics, openRedis } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKeyRing } from '../../bot/src/keys/index.ts';
import { RHYTHM } from '../../bot/src/sync/follow.ts';
import { type Configuration, startConfiguration } from '../../bot/src/sync/index.ts';
import { memoryStore } from '../../bot/src/sync/memory-store.ts';
import { type FaultProxy, startFaultProxy } from '../services/fault-proxy.ts';
import { postgresServerSkipReason } from '../services/postgres.ts';
import { redisSkipReason } from '../services/redis.ts';
import { eventually } from '../services/standalone.ts';
import { drill } from './drill.ts';
import { startWorld, type World } from './world.ts';

const FLEET = 50;

describe.skipIf(postgresServerSkipReason() ?? redisSkipReason())(
  'with calls running, and a fleet that comes back at once',
  () => {
    let world: World;
    let link: FaultProxy;
    let fleet: readonly Configuration[] = [];
    beforeAll(async () => {
      world = await startWorld();
      link = await startFaultProxy({ host: '127.0.0.1', port: world.masters[0].port });
    });
    afterAll(async () => {
      await Promise.all(fleet.map((one) => one.stop()));
      await link?.close();
      await world?.stop();
    });

    const follower = (): Promise<Configuration> => {
      return startConfiguration({
        masterUrl: `http://127.0.0.1:${link.port}`,
        keys: createKeyRing([world.key(1)]),
        store: memoryStore(),
        bootstrap: undefined,
        openRedis,
        log: createLogger({ level: 'silent', mode: 'bot' }),
        metrics: createMetrics({ mode: 'bot', version: '0.0.0' }),
        onApply: () => {},
        onOrder: () => {},
        rhythm: { ...RHYTHM, pollWithoutBusMs: 4000 },
      });
    };
    /** Answers of the first master to questions for the bundle, by status. */
    const answers = async (): Promise<{ readonly [code: string]: number }> => {
      const text = await (await fetch(`http://127.0.0.1:${world.masters[0].opsPort}/metrics`)).text();
      const lines = text.matchAll(
        /^voiceoi_http_request_seconds_count\{([^}]*route="\/api\/sync\/campaigns"[^}]*)\} (\d+)/gm,
      );
      return Object.fromEntries(
        [...lines].map(([, labels = '', count]) => [/code="(\d+)"/.exec(labels)?.[1], Number(count)]),
      );
    };
    const confirmedAt = (one: Configuration): number =>
      performance.now() - (one.status()[0]?.ageSeconds ?? Number.POSITIVE_INFINITY) * 1000;

    test('each asks in its own time, and is told that nothing has changed instead of being sent everything', async () => {
      await drill(world, { dueMs: 15_000 }, async ({ publish, untilPlayed }) => {
        fleet = await Promise.all(Array.from({ length: FLEET }, follower));
        const applied = async (): Promise<readonly (number | undefined)[]> =>
          fleet.map((one) => one.status()[0]?.applied);
        await eventually(applied, (all) => all.every((revision) => revision !== undefined), 10_000);
        const before = await answers();
        for (const one of [link, world.toRedis]) one.set({ kind: 'drop' });
        const downAt = performance.now();
        await eventually(
          async () => fleet.filter((one) => one.status()[0]?.problem !== undefined).length,
          (count) => count === FLEET,
          30_000,
        );
        link.set({ kind: 'none' });
        await eventually(
          async () => fleet.map(confirmedAt),
          (times) => times.every((at) => at > downAt),
          30_000,
        );
        const times = fleet.map(confirmedAt);
        expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(300);
        const after = await answers();
        expect(after['304'] ?? 0).toBeGreaterThan((before['304'] ?? 0) + FLEET / 2);
        expect(after['200']).toBe(before['200']);
        world.toRedis.set({ kind: 'none' });
        const last = await publish();
        await untilPlayed(last, 15_000);
        const [revision] = await world.sql<{ revision: string }>('SELECT revision FROM organization');
        await eventually(applied, (all) => all.every((one) => one === Number(revision?.revision)), 15_000);
      });
    });
  },
);
