import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Injected, startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

let one: TestMaster;
let made = 0;
const campaigns = '/api/orgs/abc/campaigns';

beforeAll(async () => {
  one = await startTestMaster();
  await one.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
  await one.api('POST', '/api/orgs', { id: 'xyz', name: 'XYZ' });
  const document = { schema: 'voiceoi/script/v1', entry: 'end', steps: { end: { type: 'return' } } };
  for (const id of ['demo', 'unpublished']) await one.api('POST', '/api/orgs/abc/scripts', { id, name: id, document });
  for (const note of ['first', 'second'])
    expect((await one.api('POST', '/api/orgs/abc/scripts/demo/publish', { note })).status).toBe(201);
});
afterAll(() => one.stop());

/** A new campaign, as it was answered. */
async function newCampaign(fields: object = {}): Promise<Injected & { readonly path: string }> {
  const id = `c-${made++}`;
  const answer = await one.api('POST', campaigns, { id, name: 'Campaign', script_id: 'demo', ...fields });
  expect(answer.status).toBe(201);
  return { ...answer, path: `${campaigns}/${id}` };
}

interface Bundle {
  readonly revision: number;
  readonly campaigns: readonly { readonly id: string; readonly version: number | null }[];
}
const bundle = async (): Promise<Bundle> => (await one.node('abc', 'GET', '/api/sync/campaigns?org_id=abc')).body;

/** What nodes get of a campaign. */
async function played(path: string): Promise<object | undefined> {
  const id = path.split('/').at(-1);
  return (await bundle()).campaigns.find((campaign) => campaign.id === id);
}

describe('a campaign', () => {
  test('is made with defaults, shown, listed, and reaches the nodes with the number that it plays', async () => {
    const { body, headers, path } = await newCampaign();
    expect(body).toMatchObject({
      name: 'Campaign',
      status: 'active',
      script_id: 'demo',
      version: 'latest',
      plays_version: 2,
      variables: {},
      lead_variables: [],
    });
    expect(headers['etag']).toBe(body.etag);
    expect(headers['location']).toBe(path);
    expect((await one.api('GET', path)).body).toEqual(body);
    expect((await one.api('GET', `${campaigns}?limit=200`)).body.items).toContainEqual(body);
    expect(await played(path)).toMatchObject({ version: 2, status: 'active' });
  });

  test('can name a version, and can run a script that has none yet', async () => {
    const old = await newCampaign({ version: 1 });
    expect(await played(old.path)).toMatchObject({ version: 1 });
    const early = await newCampaign({ script_id: 'unpublished' });
    expect(early.body).toMatchObject({ version: 'latest', plays_version: null });
    expect(await played(early.path)).toMatchObject({ version: null });
  });

  test('is changed field by field, and null returns a field to its default', async () => {
    const { path } = await newCampaign({ version: 1, variables: { a: 1, b: 2 }, lead_variables: ['UNIQUEID'] });
    const paused = await one.api('PATCH', path, { status: 'paused', variables: { c: 3 } });
    expect(paused.body).toMatchObject({
      status: 'paused',
      version: 1,
      variables: { c: 3 },
      lead_variables: ['UNIQUEID'],
    });
    const reset = await one.api('PATCH', path, { status: null, version: null, variables: null, lead_variables: null });
    expect(reset.body).toMatchObject({ status: 'active', version: 'latest', variables: {}, lead_variables: [] });
    expect(await played(path)).toMatchObject({ status: 'active', version: 2, variables: {} });
  });

  test('is replaced by PUT, which makes it where it is not there', async () => {
    const { path } = await newCampaign({ version: 1, variables: { a: 1 } });
    const replaced = await one.api('PUT', path, { name: 'Other', script_id: 'demo' });
    expect(replaced.status).toBe(200);
    expect(replaced.body).toMatchObject({ name: 'Other', version: 'latest', variables: {} });
    const fresh = await one.api('PUT', `${campaigns}/fresh`, { name: 'Fresh', script_id: 'demo' });
    expect(fresh.status).toBe(201);
    expect(fresh.body.id).toBe('fresh');
  });

  test('is deleted for the nodes too', async () => {
    const { path } = await newCampaign();
    expect((await one.api('DELETE', path)).status).toBe(204);
    expect(await played(path)).toBeUndefined();
    expect((await one.api('GET', path)).body).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    expect((await one.api('DELETE', path)).status).toBe(404);
  });

  test('takes no id that is taken in its organization, and the same one in another', async () => {
    const { path, body } = await newCampaign();
    const again = await one.api('POST', campaigns, { id: body.id, name: 'Thief', script_id: 'demo' });
    expect(again.body).toMatchObject({ status: 409, code: 'ALREADY_EXISTS' });
    expect((await one.api('GET', path)).body).toEqual(body);
    expect((await one.api('GET', `/api/orgs/xyz/campaigns/${body.id}`)).status).toBe(404);
  });

  test('makes one revision for each change, and none where nothing changes for a node', async () => {
    const { path } = await newCampaign();
    const { revision } = await bundle();
    await one.api('PATCH', path, { name: 'Renamed' });
    expect((await bundle()).revision).toBe(revision + 1);
    await one.api('DELETE', path);
    expect((await bundle()).revision).toBe(revision + 2);
    await one.api('DELETE', path);
    await one.api('PATCH', `${campaigns}/nowhere`, { name: 'x' });
    expect((await bundle()).revision).toBe(revision + 2);
  });
});

describe('an ETag', () => {
  test('lets one of two writers through, and the other one reads anew', async () => {
    const { path, body } = await newCampaign();
    const match = { 'if-match': body.etag };
    const writers = ['A', 'B'].map((name) => one.api('PATCH', path, { name }, match));
    expect((await Promise.all(writers)).map(({ status }) => status).sort()).toEqual([200, 412]);
  });

  test.each(['PUT', 'PATCH', 'DELETE'])('that is old refuses %s, and nothing is written', async (method) => {
    const { path, body } = await newCampaign();
    const current = (await one.api('PATCH', path, { name: 'Newer' })).body;
    const { revision } = await bundle();
    const write = method === 'DELETE' ? undefined : { name: 'Mine', script_id: 'demo' };
    for (const tag of [body.etag, '"nonsense"', 'nonsense', `${body.etag}, "x"`]) {
      const answer = await one.api(method, path, write, { 'if-match': tag });
      expect(answer.body).toMatchObject({ status: 412, code: 'CHANGED_MEANWHILE' });
      expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    }
    expect((await one.api('GET', path)).body).toEqual(current);
    expect((await bundle()).revision).toBe(revision);
    const good = await one.api(method, path, write, { 'if-match': `"x", ${current.etag}` });
    expect([200, 204]).toContain(good.status);
  });

  test('of * means one that is there', async () => {
    const { path } = await newCampaign();
    const any = { 'if-match': '*' };
    expect((await one.api('PATCH', path, { name: 'x' }, any)).status).toBe(200);
    const body = { name: 'x', script_id: 'demo' };
    expect((await one.api('PUT', `${campaigns}/ghost`, body, any)).body.code).toBe('CHANGED_MEANWHILE');
    expect((await one.api('PUT', `${campaigns}/ghost`, body, { 'if-match': '"1"' })).status).toBe(412);
    expect((await one.api('GET', `${campaigns}/ghost`)).status).toBe(404);
  });
});

describe('what a campaign cannot be', () => {
  test.each([
    [{ script_id: 'nowhere' }, '/script_id'],
    [{ version: 3 }, '/version'],
    [{ version: 0 }, '/version'],
    [{ version: 1.5 }, '/version'],
    [{ version: 'newest' }, '/version'],
    [{ script_id: 'unpublished', version: 1 }, '/version'],
    [{ status: 'stopped' }, '/status'],
    [{ name: '' }, '/name'],
    [{ name: 'x'.repeat(201) }, '/name'],
    [{ variables: { 'no-name': 1 } }, '/variables'],
    [{ variables: [] }, '/variables'],
    [{ lead_variables: ['A B'] }, '/lead_variables/0'],
    [{ lead_variables: ['X', 'X'] }, '/lead_variables'],
    [{ lead_variables: ['CALLERID(num)\r\nSET VARIABLE'] }, '/lead_variables/0'],
  ])('%o is refused wherever it is written, and nothing is', async (fields, at) => {
    const { path, body } = await newCampaign();
    const { revision } = await bundle();
    const whole = { name: 'Half written', script_id: 'demo', ...fields };
    const tries = [
      await one.api('POST', campaigns, { id: 'never', ...whole }),
      await one.api('PUT', `${campaigns}/never`, whole),
      await one.api('PUT', path, whole),
      await one.api('PATCH', path, { name: 'Half written', ...fields }),
    ];
    for (const answer of tries) {
      expect(answer.body).toMatchObject({ status: 400, code: 'VALIDATION_FAILED' });
      const paths = answer.body.errors.map((error: { path: string }) => error.path);
      expect(
        paths.some((path: string) => path.startsWith(at)),
        paths.join(),
      ).toBe(true);
    }
    expect((await one.api('GET', path)).body).toEqual(body);
    expect((await one.api('GET', `${campaigns}/never`)).status).toBe(404);
    expect((await bundle()).revision).toBe(revision);
  });

  test('in an organization that is not there is nothing', async () => {
    const body = { id: 'x', name: 'x', script_id: 'demo' };
    expect((await one.api('POST', '/api/orgs/nobody/campaigns', body)).body.code).toBe('NOT_FOUND');
    expect((await one.api('GET', '/api/orgs/nobody/campaigns')).body.code).toBe('NOT_FOUND');
  });
});
