import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

let one: TestMaster;
const tokens: { [role: string]: string } = {};
const ROLES = ['viewer', 'editor', 'admin', 'owner'];
const document = { schema: 'voiceoi/script/v1', entry: 'a', steps: { a: { type: 'return' } } };

beforeAll(async () => {
  one = await startTestMaster();
  for (const id of ['abc', 'xyz']) await one.api('POST', '/api/orgs', { id, name: id });
  await one.api('POST', '/api/orgs/abc/scripts', { id: 's', name: 'S', document });
  for (const role of ROLES) tokens[role] = (await make({ name: role, role })).body.token;
});
afterAll(() => one.stop());

const make = (body: object, org = 'abc') => one.api('POST', `/api/orgs/${org}/api-tokens`, body);
const as = (token: string | undefined, method: string, path: string, body?: unknown) =>
  one.api(method, path, body, { authorization: `Bearer ${token}` });

test('a token is shown as it is made and never again, and is not what is stored', async () => {
  const { status, body, headers } = await make({ name: 'CI', role: 'editor' });
  expect(status).toBe(201);
  expect(headers['cache-control']).toBe('no-store');
  expect(body).toEqual({
    ...{ id: expect.any(String), name: 'CI', role: 'editor', created_by: 'admin@localhost' },
    ...{ created_at: expect.any(String), token: expect.stringMatching(/^vot_[A-Za-z0-9_-]{43}$/) },
  });
  const { body: list } = await one.api('GET', '/api/orgs/abc/api-tokens');
  expect(list.items[0]).toEqual({ ...body, token: undefined });
  const { rows } = await one.database.query("SELECT *, encode(token_hash, 'escape') AS text FROM api_token");
  expect(JSON.stringify(rows)).not.toContain(body.token.slice(4));
});

test.each([
  ['viewer', [200, 403, 403]],
  ['editor', [200, 200, 403]],
  ['admin', [200, 200, 200]],
  ['owner', [200, 200, 200]],
])('a token with the role %s reads, writes and administers as that role may', async (role, statuses) => {
  const token = tokens[role];
  const read = await as(token, 'GET', '/api/orgs/abc/scripts');
  const write = await as(token, 'PUT', '/api/orgs/abc/scripts/s/draft', { document });
  const administer = await as(token, 'GET', '/api/orgs/abc/api-tokens');
  expect([read.status, write.status, administer.status]).toEqual(statuses);
});

test('a token opens no other organization, no account, and nothing of a superadmin', async () => {
  for (const path of ['/api/orgs/xyz', '/api/orgs/xyz/keys'])
    expect(await as(tokens['owner'], 'GET', path), path).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  for (const path of ['/api/orgs', '/api/auth/me'])
    expect(await as(tokens['owner'], 'GET', path), path).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
  expect((await as(tokens['owner'], 'POST', '/api/orgs', { id: 'new', name: 'New' })).status).toBe(403);
  expect((await as(tokens['admin'], 'DELETE', '/api/orgs/abc')).status).toBe(403);
  expect((await as(tokens['owner'], 'GET', '/api/sync/campaigns?org_id=abc')).status).toBe(401);
});

test('a token makes none with a higher role than its own', async () => {
  const made = async (by: string, role: string) =>
    (await as(tokens[by], 'POST', '/api/orgs/abc/api-tokens', { name: 'x', role })).status;
  expect([await made('admin', 'admin'), await made('admin', 'viewer'), await made('owner', 'owner')]).toEqual([
    ...[201, 201, 201],
  ]);
  expect(await made('admin', 'owner')).toBe(403);
  expect(await made('editor', 'viewer')).toBe(403);
  expect((await make({ name: 'x', role: 'superadmin' })).status).toBe(400);
});

test('what a token does bears its name', async () => {
  const token = tokens['admin'];
  await as(token, 'PATCH', '/api/orgs/abc', { settings: { timezone: 'Asia/Tokyo' } });
  const { rows } = await one.database.query("SELECT actor FROM change_log WHERE org_id = 'abc'");
  expect(rows).toMatchObject([{ actor: expect.stringMatching(/^token admin \([0-9a-f-]{36}\)$/) }]);
});

test.each([
  ['nothing', () => ''],
  ['another letter at its end', () => `${tokens['owner']?.slice(0, -1)}${tokens['owner']?.endsWith('A') ? 'B' : 'A'}`],
  ['only its form', () => `vot_${'A'.repeat(43)}`],
  ['too much', () => `${tokens['owner']}A`],
])('a token with %s is not known', async (_what, token) => {
  expect((await as(token(), 'GET', '/api/orgs/abc')).status).toBe(401);
});

test('a token ends when it is deleted, and when its time has come', async () => {
  const { body: deleted } = await make({ name: 'deleted', role: 'viewer' });
  expect((await as(deleted.token, 'GET', '/api/orgs/abc')).status).toBe(200);
  expect((await one.api('DELETE', `/api/orgs/xyz/api-tokens/${deleted.id}`)).status).toBe(404);
  expect((await one.api('DELETE', `/api/orgs/abc/api-tokens/${deleted.id}`)).status).toBe(204);
  expect((await as(deleted.token, 'GET', '/api/orgs/abc')).status).toBe(401);

  const expires_at = new Date(Date.now() + 60_000).toISOString();
  const { body: short } = await make({ name: 'short', role: 'viewer', expires_at });
  expect(short.expires_at).toBe(expires_at);
  expect((await as(short.token, 'GET', '/api/orgs/abc')).status).toBe(200);
  await one.database.query('UPDATE api_token SET expires_at = now() WHERE id = $1', [short.id]);
  expect((await as(short.token, 'GET', '/api/orgs/abc')).status).toBe(401);
});

test.each(['2020-01-01T00:00:00.000Z', '2026-99-01T00:00:00.000Z', 'tomorrow'])(
  'a token cannot expire at %s',
  async (expires_at) => {
    expect((await make({ name: 'x', role: 'viewer', expires_at })).body).toMatchObject({
      code: 'VALIDATION_FAILED',
      errors: [{ path: '/expires_at' }],
    });
  },
);

test('the list says when a token was last used, and comes in pages', async () => {
  for (let count = 0; count < 3; count++) await make({ name: `page ${count}`, role: 'viewer' }, 'xyz');
  const first = await one.api('GET', '/api/orgs/xyz/api-tokens?limit=2');
  expect(first.body.items.map(({ name }: { name: string }) => name)).toEqual(['page 2', 'page 1']);
  const rest = await one.api('GET', `/api/orgs/xyz/api-tokens?limit=2&cursor=${first.body.next_cursor}`);
  expect(rest.body).toMatchObject({ items: [{ name: 'page 0' }], next_cursor: null });
  const cursor = Buffer.from('["x"]').toString('base64url');
  expect((await one.api('GET', `/api/orgs/xyz/api-tokens?cursor=${cursor}`)).status).toBe(400);

  const { body } = await make({ name: 'used', role: 'viewer' }, 'xyz');
  const used = async () => (await one.api('GET', '/api/orgs/xyz/api-tokens?limit=1')).body.items[0].last_used_at;
  expect(await used()).toBeUndefined();
  await as(body.token, 'GET', '/api/orgs/xyz');
  expect(await used()).toMatch(/\.\d{3}Z$/);
});
