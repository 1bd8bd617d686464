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

/** One revision more: each of these scripts has a next version, which campaigns play. */
export function nextRevision(before: Content, documents: Documents) {
  const revision = before.revision + 1;
  const scripts = before.scripts.map((entry) => {
    const document = documents[entry.id];
    return document ? { id: entry.id, version: entry.version + 1, document, sha256: canonicalSha256(document) } : entry;
  });
  const versions = Object.fromEntries(scripts.map(({ id, version }) => [id, version]));
  const campaigns = before.campaigns.map((one) => ({ ...one, version: versions[one.script_id] ?? null }));
  const put = (kind: string, id: string, object: object) => ({ op: 'put', kind, id, object });
  const changed = scripts.filter(({ id }) => documents[id]);
  const old = before.scripts.filter(({ id }) => documents[id]);
  const items = [
    ...changed.map((entry) => put('script', `${entry.id}@${entry.version}`, entry)),
    ...old.map(({ id, version }) => ({ op: 'delete', kind: 'script', id: `${id}@${version}` })),
    ...campaigns
      .filter(({ script_id }) => documents[script_id])
      .map((campaign) => put('campaign', campaign.id, campaign)),
  ];
  const sha256 = bundleSha256({ ...before, revision, campaigns, scripts });
  return { epoch: before.epoch, revision, changed, items, sha256, versions };
}

/** By script id. */
interface Documents {
  readonly [scriptId: string]: { [name: string]: unknown };
}

/** Commits one revision past the API, which would refuse it. Nothing else may be published meanwhile. Answers the versions, by script. */
export async function commit(world: World, documents: Documents): Promise<{ readonly [scriptId: string]: number }> {
  const { epoch, revision, changed, items, sha256, versions } = nextRevision(await bundleOf(world), documents);
  const q = (value: string): string => pg.escapeLiteral(value);
  const scripts = changed.flatMap(({ id, version, document, sha256: digest }) => [
    `INSERT INTO script_version (org_id, script_id, version, document, sha256, published_by)
      VALUES ('${ORG}', ${q(id)}, ${version}, ${q(JSON.stringify(document))}, '${digest}', 'drill')`,
    `UPDATE script SET latest_version = ${version} WHERE org_id = '${ORG}' AND id = ${q(id)}`,
  ]);
  const log = `INSERT INTO change_log (org_id, revision, epoch, changes, sha256, actor)
    VALUES ('${ORG}', ${revision}, ${q(epoch)}, ${q(JSON.stringify(items))}, '${sha256}', 'drill')`;
  const raise = `UPDATE organization SET revision = ${revision} WHERE id = '${ORG}'`;
  // Without parameters all of it is one transaction.
  await world.sql([...scripts, raise, log].join(';\n'));
  return versions;
}
