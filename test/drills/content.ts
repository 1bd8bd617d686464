import { bundleSha256, canonicalSha256 } from '@voiceoi/kernel';
import pg from 'pg';
import type { World } from './world.ts';
import { ORG } from './world.ts';

type Content = Parameters<typeof bundleSha256>[0];

/** The bundle that the first master serves now. */
export async function bundleOf({ masters, key }: World, generation = 1): Promise<Content> {
  const url = `http://127.0.0.1:${masters[0].port}/api/sync/campaigns?org_id=${ORG}`;
  const response = await fetch(url, { headers: { 'x-organization-secret': key(generation) } });
  if (!response.ok) throw new Error(`the bundle was answered with ${response.status}`);
  const { org_id, epoch, revision, settings, campaigns, scripts } = (await response.json()) as Content;
  return { org_id, epoch, revision, settings, campaigns, scripts };
}

/**
 * Commits one revision past the API, which would refuse it: each script's next version is this document, and the campaigns that play its latest
 * play it. Nothing else may be published meanwhile. Answers the versions, by script.
 */
export async function commit(
  world: World,
  documents: { readonly [scriptId: string]: { [name: string]: unknown } },
): Promise<{ readonly [scriptId: string]: number }> {
  const before = await bundleOf(world);
  const revision = before.revision + 1;
  const next = before.scripts.map((entry) => {
    const document = documents[entry.id];
    return document ? { id: entry.id, version: entry.version + 1, document, sha256: canonicalSha256(document) } : entry;
  });
  const versions = Object.fromEntries(next.map(({ id, version }) => [id, version]));
  const campaigns = before.campaigns.map((campaign) => ({
    ...campaign,
    version: versions[campaign.script_id] ?? null,
  }));
  const after: Content = { ...before, revision, campaigns, scripts: next };
  const put = (kind: string, id: string, object: object) => ({ op: 'put', kind, id, object });
  const changed = next.filter(({ id }) => documents[id]);
  const items = [
    ...changed.map((entry) => put('script', `${entry.id}@${entry.version}`, entry)),
    ...before.scripts
      .filter(({ id }) => documents[id])
      .map(({ id, version }) => ({ op: 'delete', kind: 'script', id: `${id}@${version}` })),
    ...campaigns
      .filter(({ script_id }) => documents[script_id])
      .map((campaign) => put('campaign', campaign.id, campaign)),
  ];
  const q = (value: string): string => pg.escapeLiteral(value);
  const statements = [
    ...changed.flatMap(({ id, version, document, sha256 }) => [
      `INSERT INTO script_version (org_id, script_id, version, document, sha256, published_by) VALUES ('${ORG}', ${q(id)}, ${version}, ${q(JSON.stringify(document))}, '${sha256}', 'drill')`,
      `UPDATE script SET latest_version = ${version} WHERE org_id = '${ORG}' AND id = ${q(id)}`,
    ]),
    `UPDATE organization SET revision = ${revision} WHERE id = '${ORG}'`,
    `INSERT INTO change_log (org_id, revision, epoch, changes, sha256, actor) VALUES ('${ORG}', ${revision}, ${q(before.epoch)}, ${q(JSON.stringify(items))}, '${bundleSha256(after)}', 'drill')`,
  ];
  // Without parameters all of it is one transaction.
  await world.sql(statements.join(';\n'));
  return versions;
}
