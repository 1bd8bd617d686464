import type { BundleCampaign, BundleContent, BundleScript, ChangeItem, OrgSettings } from '@voiceoi/contracts';
import { bundleSha256 } from '@voiceoi/kernel';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

let one: TestMaster;
beforeAll(async () => {
  one = await startTestMaster();
});
afterAll(() => one.stop());

/** A script that plays one sound: which one tells versions apart. */
function playing(sound: string): object {
  return {
    schema: 'voiceoi/script/v1',
    entry: 'greet',
    steps: { greet: { type: 'play', prompts: [sound], next: 'end' }, end: { type: 'return' } },
  };
}

async function newOrg(id: string): Promise<string> {
  expect((await one.api('POST', '/api/orgs', { id, name: id })).status).toBe(201);
  return `/api/orgs/${id}`;
}

async function newPublished(org: string, id: string, sound: string): Promise<void> {
  expect((await one.api('POST', `${org}/scripts`, { id, name: id, document: playing(sound) })).status).toBe(201);
  expect((await one.api('POST', `${org}/scripts/${id}/publish`, {})).status).toBe(201);
}

async function bundle(orgId: string) {
  return (await one.node(orgId, 'GET', `/api/sync/campaigns?org_id=${orgId}`)).body;
}

async function log(orgId: string) {
  const sql = 'SELECT revision, changes, sha256, actor FROM change_log WHERE org_id = $1 ORDER BY revision';
  return (
    await one.database.query<{ revision: number; changes: ChangeItem[]; sha256: string; actor: string }>(sql, [orgId])
  ).rows;
}

describe('a revision', () => {
  test('is not made by what nodes do not see: drafts, names of scripts, versions that nobody plays', async () => {
    const org = await newOrg('quiet');
    await newPublished(org, 'menu', 'hello-world');
    await one.api('PUT', `${org}/scripts/menu/draft`, { document: {} });
    await one.api('PATCH', `${org}/scripts/menu`, { name: 'Other' });
    expect((await bundle('quiet')).revision).toBe(0);
    expect(await log('quiet')).toEqual([]);
  });

  test('holds everything that one request changed: a publish puts the version and its campaigns, and takes the old version away', async () => {
    const org = await newOrg('publish');
    await newPublished(org, 'menu', 'hello-world');
    for (const id of ['a', 'b', 'pinned'])
      await one.api('POST', `${org}/campaigns`, {
        id,
        name: id,
        script_id: 'menu',
        ...(id === 'pinned' && { version: 1 }),
      });
    await one.api('DELETE', `${org}/campaigns/pinned`);
    await one.api('PUT', `${org}/scripts/menu/draft`, { document: playing('vm-goodbye') });
    await one.api('POST', `${org}/scripts/menu/publish`, {});
    const { changes, actor } = (await log('publish')).at(-1) ?? { changes: [], actor: '' };
    expect(actor).toBe('admin@localhost');
    expect(changes.map(({ op, kind, id }) => `${op} ${kind} ${id}`).sort()).toEqual([
      'delete script menu@1',
      'put campaign a',
      'put campaign b',
      'put script menu@2',
    ]);
    expect(changes.find(({ id }) => id === 'a')?.object).toMatchObject({ id: 'a', version: 2, script_id: 'menu' });
  });

  test('keeps a version in play for as long as one campaign plays it', async () => {
    const org = await newOrg('pinned');
    await newPublished(org, 'menu', 'hello-world');
    await one.api('POST', `${org}/campaigns`, { id: 'old', name: 'Old', script_id: 'menu', version: 1 });
    await one.api('POST', `${org}/campaigns`, { id: 'new', name: 'New', script_id: 'menu' });
    await one.api('POST', `${org}/scripts/menu/publish`, {});
    const scripts = async () => (await bundle('pinned')).scripts.map((s: BundleScript) => `${s.id}@${s.version}`);
    expect(await scripts()).toEqual(['menu@1', 'menu@2']);
    await one.api('PATCH', `${org}/campaigns/old`, { version: null });
    expect(await scripts()).toEqual(['menu@2']);
  });

  test('is not made, and nothing is written, when the change fails at its end', async () => {
    const org = await newOrg('rollback');
    await newPublished(org, 'menu', 'hello-world');
    await one.api('POST', `${org}/campaigns`, { id: 'c', name: 'C', script_id: 'menu' });
    const before = await bundle('rollback');
    const failing = one.master.revisions.change({ orgId: 'rollback', actor: 'test' }, async (tx) => {
      await tx.query("UPDATE campaign SET name = 'lost' WHERE org_id = 'rollback'");
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await bundle('rollback')).toEqual(before);
  });

  test('of a script that was deleted and made anew has the new content under the old id', async () => {
    const org = await newOrg('again');
    await newPublished(org, 'menu', 'hello-world');
    await one.api('POST', `${org}/campaigns`, { id: 'c', name: 'C', script_id: 'menu' });
    expect((await bundle('again')).scripts[0].document).toEqual(playing('hello-world'));
    await one.api('DELETE', `${org}/campaigns/c`);
    expect((await one.api('DELETE', `${org}/scripts/menu`)).status).toBe(204);
    await newPublished(org, 'menu', 'vm-goodbye');
    await one.api('POST', `${org}/campaigns`, { id: 'c', name: 'C', script_id: 'menu' });
    const now = await bundle('again');
    expect(now.scripts[0].document).toEqual(playing('vm-goodbye'));
    expect(now.sha256).toBe(bundleSha256(now));
  });

  test('of a version whose number was given before in a transaction that came to nothing has its own content', async () => {
    const org = await newOrg('numbers');
    await newPublished(org, 'menu', 'hello-world');
    await one.api('POST', `${org}/campaigns`, { id: 'c', name: 'C', script_id: 'menu' });
    const failing = one.master.revisions.change({ orgId: 'numbers', actor: 'x'.repeat(10) }, async (tx) => {
      await tx.query("UPDATE script SET latest_version = 2 WHERE org_id = 'numbers'");
      const insert =
        "INSERT INTO script_version (org_id, script_id, version, document, sha256, published_by) VALUES ('numbers', 'menu', 2, '{}', 'aa', 'x')";
      await tx.query(insert);
      // Fails after the content was read: the row of the change log is there already.
      await tx.query(
        "INSERT INTO change_log (org_id, revision, epoch, changes, sha256, actor) VALUES ('numbers', 2, 'e', '[]', '', '')",
      );
    });
    await expect(failing).rejects.toThrow();
    await one.api('PUT', `${org}/scripts/menu/draft`, { document: playing('vm-goodbye') });
    expect((await one.api('POST', `${org}/scripts/menu/publish`, {})).body).toEqual({ version: 2 });
    expect((await bundle('numbers')).scripts[0].document).toEqual(playing('vm-goodbye'));
  });

  test('of an organization that was deleted and made anew is not mixed up with the old one', async () => {
    const org = await newOrg('reborn');
    await one.api('PATCH', org, { settings: { timezone: 'Europe/Rome' } });
    expect((await bundle('reborn')).settings).toEqual({ timezone: 'Europe/Rome' });
    expect((await one.api('DELETE', org)).status).toBe(204);
    await newOrg('reborn');
    await one.api('PATCH', org, { settings: { timezone: 'Asia/Tokyo' } });
    const headers = { 'x-organization-secret': one.key('reborn', 2) };
    const { body } = await one.node('reborn', 'GET', '/api/sync/campaigns?org_id=reborn', undefined, headers);
    expect(body).toMatchObject({ revision: 3, settings: { timezone: 'Asia/Tokyo' } });
  });

  test('has a sha256 that a node computes too, whatever jsonb made of names and numbers', async () => {
    const org = await newOrg('numerals');
    await newPublished(org, 'menu', 'hello-world');
    const body =
      '{"id":"c","name":"C","script_id":"menu","variables":{"z":1.0,"a":1e3,"m":1e-7,"big":123456789012345680000,"list":[-0,0.1,{"b":1,"é":"\\u00e9","a":2}],"none":null}}';
    const made = await one.api('POST', `${org}/campaigns`, body, { 'content-type': 'application/json' });
    expect(made.status).toBe(201);
    const got = await bundle('numerals');
    expect(got.campaigns[0].variables).toMatchObject({ z: 1, a: 1000, m: 1e-7, big: 123456789012345680000 });
    expect(bundleSha256(got)).toBe(got.sha256);
    expect((await log('numerals')).at(-1)?.sha256).toBe(got.sha256);
  });
});

/** What a node does with items; written here apart, since master and node share no code. */
function apply(content: BundleContent, revision: number, items: readonly ChangeItem[]): BundleContent {
  const campaigns = new Map(content.campaigns.map((c) => [c.id, c]));
  const scripts = new Map(content.scripts.map((s) => [`${s.id}@${s.version}`, s]));
  let { settings } = content;
  for (const { op, kind, id, object } of items) {
    if (kind === 'settings') settings = object as OrgSettings;
    else if (kind === 'campaign' && op === 'put') campaigns.set(id, object as BundleCampaign);
    else if (kind === 'campaign') campaigns.delete(id);
    else if (op === 'put') scripts.set(id, object as BundleScript);
    else scripts.delete(id);
  }
  return { ...content, revision, settings, campaigns: [...campaigns.values()], scripts: [...scripts.values()] };
}

type Step = readonly [method: string, path: string, body?: unknown];

const scriptId = fc.constantFrom('s1', 's2');
const campaignId = fc.constantFrom('c1', 'c2', 'c3');
const version = fc.constantFrom<'latest' | number>('latest', 1, 2);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(scriptId, fc.constantFrom('hello-world', 'vm-goodbye', 'beep'))
    .map(([id, sound]): Step => ['PUT', `/scripts/${id}/draft`, { document: playing(sound) }]),
  scriptId.map((id): Step => ['POST', `/scripts/${id}/publish`, {}]),
  scriptId.map((id): Step => ['POST', `/scripts/${id}/publish`, {}]),
  scriptId.map((id): Step => ['POST', `/scripts/${id}/rollback`, { version: 1 }]),
  scriptId.map((id): Step => ['DELETE', `/scripts/${id}`]),
  scriptId.map((id): Step => ['POST', '/scripts', { id, name: id, document: playing('beep') }]),
  fc
    .tuple(campaignId, scriptId, version)
    .map(([id, script_id, v]): Step => ['PUT', `/campaigns/${id}`, { name: id, script_id, version: v }]),
  fc
    .tuple(campaignId, scriptId, version)
    .map(([id, script_id, v]): Step => ['PUT', `/campaigns/${id}`, { name: id, script_id, version: v }]),
  fc
    .tuple(campaignId, fc.jsonValue({ maxDepth: 2 }))
    .map(([id, value]): Step => ['PATCH', `/campaigns/${id}`, { variables: { x: value } }]),
  campaignId.map((id): Step => ['PATCH', `/campaigns/${id}`, { status: 'paused' }]),
  campaignId.map((id): Step => ['DELETE', `/campaigns/${id}`]),
  fc.constantFrom('Asia/Tokyo', 'Europe/Rome', null).map((timezone): Step => ['PATCH', '', { settings: { timezone } }]),
);

test('property: whatever is changed, the log leads from the content of each revision to exactly that of every later one', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const orgId = `property-${runs++}`;
      const org = await newOrg(orgId);
      const contents = [await bundle(orgId)];
      for (const id of ['s1', 's2']) await newPublished(org, id, 'hello-world');
      for (const [method, path, body] of steps) {
        const { status } = await one.api(method, org + path, body);
        expect(status).toBeLessThan(500);
        const now = await bundle(orgId);
        expect(bundleSha256(now)).toBe(now.sha256);
        if (now.revision !== contents.at(-1).revision) contents.push(now);
        else expect(now).toEqual(contents.at(-1));
      }
      expect(contents.map(({ revision }) => revision)).toEqual(contents.map((_content, index) => index));
      const rows = await log(orgId);
      for (const [from, start] of contents.entries()) {
        let content: BundleContent = start;
        for (const { revision, changes, sha256 } of rows.slice(from)) {
          content = apply(content, revision, changes);
          expect(bundleSha256(content)).toBe(sha256);
          expect(sha256).toBe(contents[revision].sha256);
        }
      }
      expect((await one.api('DELETE', org)).status).toBe(204);
    }),
    { numRuns: 30 },
  );
}, 120_000);
