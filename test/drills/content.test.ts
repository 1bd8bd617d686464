import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFakeMaster } from '../services/fake-master.ts';
import { postgresServerSkipReason } from '../services/postgres.ts';
import { startProcess } from '../services/process.ts';
import { redisSkipReason } from '../services/redis.ts';
import { eventually, ROOT } from '../services/standalone.ts';
import { callOn } from './calls.ts';
import { bundleOf, commit } from './content.ts';
import { drill } from './drill.ts';
import { script } from './script.ts';
import { ORG, startWorld, type World } from './world.ts';

describe.skipIf(postgresServerSkipReason() ?? redisSkipReason())(
  'with calls running, and content that is not as it should be',
  () => {
    let world: World;
    beforeAll(async () => {
      world = await startWorld();
    });
    afterAll(() => world?.stop());

    test('a script that does not compile plays its last good version, the rest of its revision holds, and the master is told', async () => {
      const [master] = world.masters;
      const made = { id: 's2', name: 'Two', document: script('old') };
      expect((await world.api(master, 'POST', `/api/orgs/${ORG}/scripts`, made)).status).toBe(201);
      expect((await world.api(master, 'POST', `/api/orgs/${ORG}/scripts/s2/publish`, {})).status).toBe(201);
      const campaign = { id: 'c2', name: 'Two', script_id: 's2' };
      expect((await world.api(master, 'POST', `/api/orgs/${ORG}/campaigns`, campaign)).status).toBe(201);
      await drill(world, {}, async ({ calls, publish, untilPlayed }) => {
        const good = await publish();
        await untilPlayed(good, 2000);
        const poison = { schema: 'voiceoi/script/v1', entry: 'nowhere', steps: {} };
        const { s1: version } = await commit(world, { s1: poison, s2: script('new') });
        for (const node of world.nodes) {
          const other = () => callOn(node, { campaign: 'c2', realtime: false });
          await eventually(other, ({ prompts }) => prompts[0] === 'new', 5000);
          expect(await calls.placeOn(node)).toMatchObject({ prompts: [good.prompt, good.prompt] });
          await eventually(
            async () => (await world.api(master, 'GET', `/api/orgs/${ORG}/nodes/${node.name}`)).body.rejected,
            (rejected) => rejected.some((one: object) => 'version' in one && one.version === version),
            5000,
          );
        }
      });
    });

    test('a bundle of a newer format is left alone and told of', async () => {
      const fake = await startFakeMaster();
      fake.intercept = ({ path }, response) => {
        if (path !== '/api/sync/logs') return undefined;
        response.writeHead(503).end();
        return true;
      };
      await drill(world, { dueMs: 15_000 }, async ({ blind, calls, publish, untilPlayed }) => {
        const last = await publish();
        await untilPlayed(last, 2000);
        const [node] = world.nodes;
        await blind([node], async () => {
          world.toRedis.set({ kind: 'drop' });
          node.toMaster.set({ kind: 'drop' });
          const bundle = await bundleOf(world);
          const newer = { ...bundle, schema: 2, revision: bundle.revision + 1, sha256: 'f'.repeat(64) };
          fake.serve(newer);
          node.toMaster.aim({ host: '127.0.0.1', port: Number(new URL(fake.url).port) });
          node.toMaster.set({ kind: 'none' });
          await eventually(
            async () => {
              fake.emit('full', newer);
              return node.output();
            },
            (output) => /has a format that this version of the node does not know/.test(output),
            20_000,
          );
          expect(await calls.placeOn(node)).toMatchObject({ prompts: [last.prompt, last.prompt] });
          await fake.close();
          node.toMaster.aim({ host: '127.0.0.1', port: world.masters[0].port });
          world.toRedis.set({ kind: 'none' });
        });
        await untilPlayed(await publish(), 15_000);
      });
    });

    test('a database that was restored to an older state is what nodes play, once it has a new epoch', async () => {
      await drill(world, { dueMs: 5000 }, async ({ forgetPublished, mayGoBack, publish, untilPlayed }) => {
        await untilPlayed(await publish(), 2000);
        const { revision } = await bundleOf(world);
        const [row] = await world.sql<{ latest_version: number }>(
          `SELECT latest_version FROM script WHERE org_id = $1 AND id = 's1'`,
          [ORG],
        );
        await publish();
        await untilPlayed(await publish(), 2000);
        await forgetPublished();
        for (const master of world.masters) expect(await master.stop()).toBe(0);
        await world.sql(`
        UPDATE script SET latest_version = ${row?.latest_version} WHERE org_id = '${ORG}' AND id = 's1';
        DELETE FROM script_version WHERE org_id = '${ORG}' AND script_id = 's1' AND version > ${row?.latest_version};
        DELETE FROM change_log WHERE org_id = '${ORG}' AND revision > ${revision};
        UPDATE organization SET revision = ${revision} WHERE id = '${ORG}'`);
        const words = Object.entries(world.database).map(([name, value]) => `${name}=${value}`);
        const admin = startProcess(process.execPath, ['master/dist/admin.js', 'new-epoch', ...words], { cwd: ROOT });
        expect(await admin.exited, admin.output()).toBe(0);
        await mayGoBack(world.nodes, async () => {
          for (const master of world.masters) {
            await master.start();
            await master.ready();
          }
          await untilPlayed(await publish(), 5000);
        });
      });
    });

    test('a key is rotated: both keys work while they overlap, and a node whose key was revoked goes on with what it has', async () => {
      await drill(world, { dueMs: 5000 }, async ({ blind, calls, publish, untilPlayed }) => {
        const [first, second] = world.nodes;
        await world.sql('INSERT INTO organization_key (org_id, generation) VALUES ($1, 2)', [ORG]);
        await untilPlayed(await publish(), 5000);
        first.settings['SYNC_SECRET_KEY'] = world.key(2);
        expect(await first.stop()).toBe(0);
        await first.start();
        await first.ready();
        const last = await publish();
        await untilPlayed(last, 5000);
        await blind([second], async () => {
          await world.sql('UPDATE organization_key SET revoked_at = now() WHERE org_id = $1 AND generation = 1', [ORG]);
          await second.says(/the master answered 401/, 30_000);
          await untilPlayed(await publish(), 5000, [first]);
          expect(await calls.placeOn(second)).toMatchObject({ agistatus: 'SUCCESS' });
          second.settings['SYNC_SECRET_KEY'] = world.key(2);
          await second.kill();
          await second.start();
          await second.ready();
        });
        await untilPlayed(await publish(), 5000);
      });
    });
  },
);
