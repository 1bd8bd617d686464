import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

let one: TestMaster;
let made = 0;
beforeAll(async () => {
  one = await startTestMaster();
});
afterAll(() => one.stop());

/** A new organization's address. */
async function newOrg(settings: object = {}): Promise<string> {
  const id = `org-${made++}`;
  const { status } = await one.api('POST', '/api/orgs', { id, name: 'An organization', settings });
  expect(status).toBe(201);
  return `/api/orgs/${id}`;
}
const idOf = (path: string): string => path.split('/').at(-1) ?? '';

describe('an organization', () => {
  test('is made with its first key, shown, listed and deleted with all that it has', async () => {
    const answer = await one.api('POST', '/api/orgs', { id: 'whole', name: 'Whole', settings: { timezone: 'UTC' } });
    expect(answer.headers['location']).toBe('/api/orgs/whole');
    expect(answer.body).toEqual({
      id: 'whole',
      name: 'Whole',
      settings: { timezone: 'UTC' },
      revision: 0,
      created_at: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
      updated_at: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
    });
    expect((await one.api('GET', '/api/orgs/whole')).body).toEqual(answer.body);
    expect((await one.api('GET', '/api/orgs?limit=200')).body.items).toContainEqual(answer.body);

    const script = { schema: 'voiceoi/script/v1', entry: 'end', steps: { end: { type: 'return' } } };
    await one.api('POST', '/api/orgs/whole/scripts', { id: 's', name: 'S', document: script });
    await one.api('POST', '/api/orgs/whole/scripts/s/publish');
    await one.api('POST', '/api/orgs/whole/campaigns', { id: 'c', name: 'C', script_id: 's' });
    expect((await one.node('whole', 'GET', '/api/sync/campaigns?org_id=whole')).status).toBe(200);
    expect((await one.api('DELETE', '/api/orgs/whole')).status).toBe(204);
    expect((await one.api('GET', '/api/orgs/whole')).body).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    expect((await one.node('whole', 'GET', '/api/sync/campaigns?org_id=whole')).status).toBe(401);
    for (const table of ['script', 'script_version', 'campaign', 'organization_key', 'change_log'])
      expect((await one.database.query(`SELECT 1 FROM ${table} WHERE org_id = 'whole'`)).rowCount).toBe(0);
  });

  test('takes no id that is taken, and leaves the other one alone', async () => {
    const path = await newOrg({ timezone: 'UTC' });
    const again = await one.api('POST', '/api/orgs', { id: idOf(path), name: 'Thief' });
    expect(again.body).toMatchObject({ status: 409, code: 'ALREADY_EXISTS' });
    expect((await one.api('GET', path)).body).toMatchObject({ name: 'An organization', settings: { timezone: 'UTC' } });
  });

  test('that is made twice at the same time is made once, with one key', async () => {
    const answers = await Promise.all([1, 2, 3].map((n) => one.api('POST', '/api/orgs', { id: 'race', name: `${n}` })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    expect((await one.api('GET', '/api/orgs/race/keys')).body.items).toHaveLength(1);
  });

  test('is listed page by page, each once, in the order of ids', async () => {
    for (let i = 0; i < 3; i++) await newOrg();
    const seen: string[] = [];
    for (let query: string | null = ''; query !== null; ) {
      const { body } = await one.api('GET', `/api/orgs?limit=2${query}`);
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      query = body.next_cursor === null ? null : `&cursor=${body.next_cursor}`;
    }
    expect(seen.length).toBeGreaterThan(3);
    expect(seen).toEqual([...new Set(seen)].sort());
  });
});

describe('settings', () => {
  test('are merged one level deep, and null returns one to its default', async () => {
    const path = await newOrg({ timezone: 'UTC', exec_allow: ['Playback'] });
    const patch = { settings: { exec_allow: ['Queue'], gateway_requests_per_second: 5 } };
    const changed = await one.api('PATCH', path, patch);
    const settings = { timezone: 'UTC', exec_allow: ['Queue'], gateway_requests_per_second: 5 };
    expect(changed.body).toMatchObject({ settings, revision: 1, name: 'An organization' });
    const reset = await one.api('PATCH', path, { settings: { timezone: null, exec_allow: null } });
    expect(reset.body.settings).toEqual({ gateway_requests_per_second: 5 });
    expect(reset.body.revision).toBe(2);
  });

  test('reach the nodes with their revision, and what nodes do not see makes none', async () => {
    const path = await newOrg();
    await one.api('PATCH', path, { settings: { timezone: 'Europe/Berlin' } });
    expect((await one.api('PATCH', path, { name: 'Renamed' })).body).toMatchObject({ name: 'Renamed', revision: 1 });
    expect((await one.api('PATCH', path, { settings: { timezone: 'Europe/Berlin' } })).body.revision).toBe(1);
    expect((await one.api('PATCH', path, {})).body.revision).toBe(1);
    const { body } = await one.node(idOf(path), 'GET', `/api/sync/campaigns?org_id=${idOf(path)}`);
    expect(body).toMatchObject({ revision: 1, settings: { timezone: 'Europe/Berlin' } });
  });

  test.each(['America/New_York', 'UTC', 'Asia/Kolkata', 'America/Argentina/Buenos_Aires'])(
    'know the time zone %s',
    async (timezone) => expect((await one.api('PATCH', await newOrg(), { settings: { timezone } })).status).toBe(200),
  );

  test.each([
    [{ timezone: 'Mars/Olympus' }, '/settings/timezone'],
    [{ timezone: '+05:00' }, '/settings/timezone'],
    [{ timezone: '' }, '/settings/timezone'],
    [{ timezone: 'x'.repeat(65) }, '/settings/timezone'],
    [{ exec_allow: ['System(rm)'] }, '/settings/exec_allow/0'],
    [{ exec_allow: 'Queue' }, '/settings/exec_allow'],
    [{ webhook_allow: [''] }, '/settings/webhook_allow/0'],
    [{ webhook_allow: ['ok.example', '10.0.0.0/99'] }, '/settings/webhook_allow/1'],
    [{ webhook_allow: ['http://crm.internal'] }, '/settings/webhook_allow/0'],
    [{ webhook_allow: ['*.internal'] }, '/settings/webhook_allow/0'],
    [{ webhook_allow: ['127.1'] }, '/settings/webhook_allow/0'],
    [{ webhook_allow: ['0x7f000001'] }, '/settings/webhook_allow/0'],
    [{ gateway_requests_per_second: 0 }, '/settings/gateway_requests_per_second'],
    [{ gateway_requests_per_second: 1.5 }, '/settings/gateway_requests_per_second'],
    [{ colour: 'red' }, '/settings/colour'],
  ])('refuse %o, and say where', async (settings, at) => {
    const path = await newOrg({ timezone: 'UTC' });
    const before = (await one.api('GET', path)).body;
    const made = await one.api('POST', '/api/orgs', { id: 'never', name: 'Never', settings });
    const patched = await one.api('PATCH', path, { name: 'Half written', settings });
    for (const { body } of [made, patched]) {
      expect(body).toMatchObject({ status: 400, code: 'VALIDATION_FAILED' });
      expect(body.errors.map((error: { path: string }) => error.path)).toContain(at);
    }
    expect((await one.api('GET', path)).body).toEqual(before);
    expect((await one.api('GET', '/api/orgs/never')).status).toBe(404);
  });

  test('one that is made again under its old name goes on behind what its nodes had, with a key that they do not know', async () => {
    await one.api('POST', '/api/orgs', { id: 'again', name: 'First' });
    await one.api('PATCH', '/api/orgs/again', { settings: { timezone: 'UTC' } });
    const bundle = () => one.node('again', 'GET', '/api/sync/campaigns?org_id=again');
    const before = (await bundle()).body.revision;
    await one.api('DELETE', '/api/orgs/again');
    await one.api('POST', '/api/orgs', { id: 'again', name: 'Second' });
    expect((await bundle()).status).toBe(401);
    const path = '/api/sync/campaigns?org_id=again';
    const { body } = await one.node('again', 'GET', path, undefined, { 'x-organization-secret': one.key('again', 2) });
    expect(body.revision).toBeGreaterThan(before);
    expect((await one.api('GET', '/api/orgs/again/keys')).body.items).toMatchObject([{ generation: 2 }]);
  });
});

test('webhook_allow takes blocks, addresses and host names', async () => {
  const webhook_allow = [
    '10.0.0.0/8',
    '192.168.1.7',
    'fd00::/8',
    '::1',
    'localhost',
    'crm.internal.',
    'xn--bcher-kva.example',
    'a_b.c1',
  ];
  const path = await newOrg({ webhook_allow });
  expect((await one.api('GET', path)).body.settings).toEqual({ webhook_allow });
});
