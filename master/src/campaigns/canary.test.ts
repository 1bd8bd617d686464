import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

const document = { schema: 'voiceoi/script/v1', entry: 'end', steps: { end: { type: 'return' } } };
let one: TestMaster;
let made = 0;
let org: string;
let path: string;

beforeAll(async () => {
  one = await startTestMaster();
});
afterAll(() => one.stop());

/** An organization with a script that has two versions, and a campaign that plays the latest. */
beforeEach(async () => {
  org = `org-${made++}`;
  path = `/api/orgs/${org}/campaigns/c`;
  await one.api('POST', '/api/orgs', { id: org, name: org });
  for (const id of ['s', 'other']) await one.api('POST', `/api/orgs/${org}/scripts`, { id, name: id, document });
  for (let version = 1; version <= 2; version++) await publish();
  await one.api('POST', `/api/orgs/${org}/campaigns`, { id: 'c', name: 'C', script_id: 's' });
});

const publish = async (): Promise<void> => {
  expect((await one.api('POST', `/api/orgs/${org}/scripts/s/publish`, {})).status).toBe(201);
};

interface Bundle {
  readonly revision: number;
  readonly campaigns: readonly object[];
  readonly scripts: readonly { readonly version: number }[];
}
const bundle = async (): Promise<Bundle> => (await one.node(org, 'GET', `/api/sync/campaigns?org_id=${org}`)).body;
const put = (body: object) => one.api('PUT', `${path}/canary`, body);

describe('a canary', () => {
  test('reaches the nodes beside the version that everyone else plays, with both scripts, as one revision', async () => {
    const { revision } = await bundle();
    const answer = await put({ version: 1, percent: 12.5 });
    expect(answer).toMatchObject({ status: 200, body: { version: 1, percent: 12.5 } });
    const { campaigns, scripts, revision: after } = await bundle();
    expect(after).toBe(revision + 1);
    expect(campaigns).toMatchObject([{ version: 2, canary: { version: 1, percent: 12.5 } }]);
    expect(scripts.map(({ version }) => version)).toEqual([1, 2]);
    expect((await one.api('GET', `${path}/canary`)).body).toEqual(answer.body);
    expect((await one.api('GET', path)).body).toMatchObject({
      version: 'latest',
      plays_version: 2,
      canary: answer.body,
    });
  });

  test('may name nodes that were not seen yet', async () => {
    const answer = await put({ version: 2, node_ids: ['node-7'] });
    expect(answer.body).toEqual({ version: 2, node_ids: ['node-7'] });
    expect((await bundle()).campaigns).toMatchObject([{ canary: { node_ids: ['node-7'] } }]);
  });

  test('keeps everyone else where they were, also of a campaign that plays the latest and when the canary is moved on', async () => {
    await put({ version: 2, percent: 10 });
    await publish();
    expect((await bundle()).campaigns).toMatchObject([{ version: 2, canary: { version: 2 } }]);
    await put({ version: 3, percent: 50 });
    await publish();
    expect((await bundle()).campaigns).toMatchObject([{ version: 2, canary: { version: 3 } }]);
    expect((await one.api('PATCH', path, { name: 'Renamed' })).body).toMatchObject({
      plays_version: 2,
      canary: { version: 3, percent: 50 },
    });
  });

  test('keeps them there also when the campaign is set to another version, which counts once it is withdrawn', async () => {
    await put({ version: 1, percent: 10 });
    await publish();
    expect((await one.api('PATCH', path, { version: 3 })).body).toMatchObject({ version: 3, plays_version: 2 });
    expect((await bundle()).campaigns).toMatchObject([{ version: 2 }]);
    await one.api('DELETE', `${path}/canary`);
    expect((await bundle()).campaigns).toMatchObject([{ version: 3 }]);
  });

  test('that is promoted makes its version the campaign’s', async () => {
    await put({ version: 1, percent: 10 });
    await publish();
    const { revision } = await bundle();
    const answer = await one.api('POST', `${path}/canary/promote`);
    expect(answer).toMatchObject({ status: 200, body: { version: 1, plays_version: 1 } });
    expect(answer.body).not.toHaveProperty('canary');
    const after = await bundle();
    expect(after.revision).toBe(revision + 1);
    expect(after.campaigns).toMatchObject([{ version: 1 }]);
    expect(after.campaigns[0]).not.toHaveProperty('canary');
    expect((await one.api('POST', `${path}/canary/promote`)).status).toBe(404);
  });

  test.each([
    ['latest', 3],
    [1, 1],
  ])('that is withdrawn leaves the campaign as it was: %s', async (version, plays) => {
    await one.api('PATCH', path, { version });
    await put({ version: 2, percent: 10 });
    await publish();
    expect((await one.api('DELETE', `${path}/canary`)).status).toBe(204);
    expect((await one.api('GET', path)).body).toMatchObject({ version, plays_version: plays });
    expect((await bundle()).campaigns).toMatchObject([{ version: plays }]);
    for (const method of ['GET', 'DELETE'])
      expect(await one.api(method, `${path}/canary`)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  });

  test('ends when the campaign is given another script', async () => {
    await put({ version: 1, percent: 10 });
    const { body } = await one.api('PATCH', path, { script_id: 'other' });
    expect(body).toMatchObject({ script_id: 'other', plays_version: null });
    expect(body).not.toHaveProperty('canary');
  });

  test.each([
    ['neither a share nor nodes', { version: 1 }, ''],
    ['both', { version: 1, percent: 1, node_ids: ['n'] }, ''],
    ['a version that is not there', { version: 9, percent: 1 }, '/version'],
    ['more than all', { version: 1, percent: 101 }, '/percent'],
    ['no node', { version: 1, node_ids: [] }, '/node_ids'],
    ['what is no node', { version: 1, node_ids: ['A B'] }, '/node_ids/0'],
  ])('is refused with %s', async (_name, body, at) => {
    const before = await bundle();
    const answer = await put(body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'VALIDATION_FAILED' } });
    expect(answer.body.errors.map((error: { path: string }) => error.path)).toEqual([at]);
    expect((await bundle()).revision).toBe(before.revision);
  });

  test('is refused for a script without versions, and for a campaign that is not there', async () => {
    await one.api('PATCH', path, { script_id: 'other' });
    expect((await put({ version: 1, percent: 1 })).status).toBe(400);
    expect((await one.api('PUT', `${path}x/canary`, { version: 1, percent: 1 })).status).toBe(404);
  });
});
