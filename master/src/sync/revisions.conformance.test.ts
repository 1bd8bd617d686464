import type { BundleContent, ChangeItem } from '@voiceoi/contracts';
import { bundleSha256 } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresSkipReason } from '../../../test/services/postgres.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import type { Master } from '../master.ts';
import { bundles } from './bundles.ts';
import { contentReader } from './content.ts';

const NO_SECRETS = { versions: async () => [], entries: async () => [] };
const skipped = postgresSkipReason();

function playing(sound: string): object {
  return {
    schema: 'voiceoi/script/v1',
    entry: 'greet',
    steps: { greet: { type: 'play', prompts: [sound], next: 'end' }, end: { type: 'return' } },
  };
}

describe.each([
  ['PGlite', false],
  ['Postgres', true],
])('revisions in %s', (name, postgres) => {
  const isSkipped = postgres && skipped !== undefined;
  // The embedded one has a single connection: there is nobody who could wait.
  const onlyPostgres = postgres ? test.skipIf(isSkipped) : () => {};
  let one: TestMaster;
  let second: Master;
  beforeAll(async () => {
    if (isSkipped) return;
    one = await startTestMaster({ postgres });
    second = await one.another();
  });
  afterAll(() => (isSkipped ? undefined : one.stop()));

  async function newOrg(id: string, scripts: readonly string[]): Promise<string> {
    await one.api('POST', '/api/orgs', { id, name: id });
    for (const script of scripts) {
      const path = `/api/orgs/${id}/scripts`;
      await one.api('POST', path, { id: script, name: script, document: playing(script) });
      expect((await one.api('POST', `${path}/${script}/publish`)).status).toBe(201);
      const campaign = { id: `c-${script}`, name: script, script_id: script };
      expect((await one.api('POST', `/api/orgs/${id}/campaigns`, campaign)).status).toBe(201);
    }
    return `/api/orgs/${id}`;
  }

  test.skipIf(isSkipped)(
    `have no hole, and their log leads to the bundle, however many change at once (${name})`,
    async () => {
      const org = await newOrg('crowd', ['a', 'b', 'c']);
      const start: BundleContent = (await one.node('crowd', 'GET', '/api/sync/campaigns?org_id=crowd')).body;
      const work = Array.from({ length: 60 }, (_value, index) => async () => {
        const script = ['a', 'b', 'c'][index % 3] ?? 'a';
        if (index % 4 === 0) return one.api('PATCH', `${org}/campaigns/c-${script}`, { variables: { index } });
        if (index % 4 === 1) return one.api('PATCH', org, { settings: { gateway_requests_per_second: index } });
        const master = index % 4 === 2 ? one.master : second;
        return master.scripts.publish({ orgId: 'crowd', actor: 'test' }, script, '');
      });
      await Promise.all(work.map((run) => run()));

      const sql =
        'SELECT revision, changes, sha256, committed_at FROM change_log WHERE org_id = $1 AND revision > $2 ORDER BY revision';
      const { rows } = await one.database.query<{
        revision: number;
        changes: ChangeItem[];
        sha256: string;
        committed_at: Date;
      }>(sql, ['crowd', start.revision]);
      expect(rows.map(({ revision }) => revision)).toEqual(
        Array.from({ length: 60 }, (_value, index) => start.revision + index + 1),
      );
      const moments = rows.map(({ committed_at }) => committed_at.getTime());
      expect(moments).toEqual(moments.toSorted((a, b) => a - b));
      const now: BundleContent & { sha256: string } = (
        await one.node('crowd', 'GET', '/api/sync/campaigns?org_id=crowd')
      ).body;
      expect(now.revision).toBe(start.revision + 60);
      expect(rows.at(-1)?.sha256).toBe(now.sha256);
      expect(bundleSha256(now)).toBe(now.sha256);
      const puts = new Map(rows.flatMap(({ changes }) => changes).map((item) => [`${item.kind} ${item.id}`, item]));
      for (const campaign of now.campaigns) expect(puts.get(`campaign ${campaign.id}`)?.object).toEqual(campaign);
      for (const script of now.scripts)
        expect(puts.get(`script ${script.id}@${script.version}`)?.object).toEqual(script);
    },
  );

  test.skipIf(isSkipped)(
    `number the versions of one script that many publish at once from 1 without a hole (${name})`,
    async () => {
      const org = await newOrg('race', ['s']);
      const publish = (index: number): Promise<number> =>
        (index % 2 === 0 ? one.master : second).scripts.publish(
          { orgId: 'race', actor: `p${index}` },
          's',
          `n${index}`,
        );
      const versions = await Promise.all(Array.from({ length: 20 }, (_value, index) => publish(index)));
      expect(versions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_value, index) => index + 2));
      const { body } = await one.api('GET', `${org}/scripts/s/versions?limit=200`);
      for (const { version, note, published_by } of body.items.slice(0, 20)) {
        const index = versions.indexOf(version);
        expect([note, published_by]).toEqual([`n${index}`, `p${index}`]);
      }
    },
  );

  onlyPostgres(`of one organization do not wait for another's (${name})`, async () => {
    await newOrg('slow', []);
    const fast = await newOrg('fast', []);
    await one.master.revisions.change({ orgId: 'slow', actor: 'test' }, async () => {
      expect((await one.api('PATCH', fast, { settings: { timezone: 'Asia/Tokyo' } })).status).toBe(200);
    });
  });

  test.skipIf(isSkipped)(
    `and bundles belong together at each moment while changes are committed (${name})`,
    async () => {
      await newOrg('torn', ['x', 'y']);
      let isOver = false;
      const write = async (): Promise<void> => {
        for (let i = 0; i < 150; i++)
          await one.master.revisions.change({ orgId: 'torn', actor: 'test' }, async (tx) => {
            await tx.query("UPDATE campaign SET variables = $1::jsonb WHERE org_id = 'torn'", [JSON.stringify({ i })]);
          });
        isOver = true;
      };
      const seen = new Map<number, string>();
      const read = async (): Promise<void> => {
        while (!isOver) {
          // Whoever has prepared nothing yet reads everything anew.
          const { body } = await bundles(one.database, contentReader(), NO_SECRETS, async () => ({
            kind: 'stream',
          })).current('torn');
          const bundle = JSON.parse(body.text);
          expect(bundleSha256(bundle)).toBe(bundle.sha256);
          expect(seen.get(bundle.revision) ?? bundle.sha256).toBe(bundle.sha256);
          seen.set(bundle.revision, bundle.sha256);
        }
      };
      await Promise.all([write(), read(), read(), read(), read()]);
      const { rows } = await one.database.query<{ revision: number; sha256: string }>(
        "SELECT revision, sha256 FROM change_log WHERE org_id = 'torn'",
      );
      const logged = new Map(rows.map(({ revision, sha256 }) => [revision, sha256]));
      for (const [revision, sha256] of seen)
        if (logged.has(revision)) expect([revision, logged.get(revision)]).toEqual([revision, sha256]);
      expect(seen.size).toBeGreaterThan(1);
    },
  );
});
