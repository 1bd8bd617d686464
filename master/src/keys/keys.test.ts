import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

let one: TestMaster;
beforeAll(async () => {
  one = await startTestMaster();
  for (const id of ['abc', 'xyz']) await one.api('POST', '/api/orgs', { id, name: id });
});
afterAll(() => one.stop());

const bundle = '/api/sync/campaigns?org_id=abc';
const withKey = (key: string, path = bundle) =>
  one.node('abc', 'GET', path, undefined, { 'x-organization-secret': key });

test('an organization shows the key that its nodes need, and when it was last used', async () => {
  expect((await one.node('abc', 'GET', bundle)).status).toBe(200);
  const { body, headers } = await one.api('GET', '/api/orgs/abc/keys');
  expect(body).toEqual({
    items: [
      {
        generation: 1,
        key: one.key('abc'),
        created_at: expect.any(String),
        last_used_at: expect.stringMatching(/\.\d{3}Z$/),
      },
    ],
    next_cursor: null,
  });
  expect(headers['cache-control']).toBe('no-store');
  expect(body.items[0].key).toMatch(/^voi_abc_1_[0-9a-f]{64}$/);
});

test('no key is stored', async () => {
  const { rows } = await one.database.query('SELECT * FROM organization_key');
  expect(JSON.stringify(rows)).not.toContain(one.key('abc').slice(-20));
});

test.each([
  ['nothing', () => ''],
  ['another form', () => 'voi_abc_1_xyz'],
  ['a generation that is not there', () => one.key('abc', 2)],
  ['one wrong letter', () => one.key('abc').replace(/.$/, (last) => (last === '0' ? '1' : '0'))],
  ['another name on a good key', () => one.key('xyz').replace('voi_xyz', 'voi_abc')],
  ['an organization that is not there', () => one.key('nobody')],
])('a node with %s is not let in', async (_what, key) => {
  expect((await withKey(key())).body).toMatchObject({ status: 401, code: 'UNKNOWN_KEY' });
});

test('a key opens its own organization alone', async () => {
  expect((await withKey(one.key('xyz'))).body).toMatchObject({ status: 403, code: 'FOREIGN_ORGANIZATION' });
});

test('a key ends when it is revoked or its time has come, and until then an older one works beside the newest', async () => {
  await one.database.query(`INSERT INTO organization_key (org_id, generation) VALUES ('xyz', 2)`);
  const path = '/api/sync/campaigns?org_id=xyz';
  const works = async (generation: number) => (await withKey(one.key('xyz', generation), path)).status;
  const set = (what: string) =>
    one.database.query(`UPDATE organization_key SET ${what} WHERE org_id = 'xyz' AND generation = 1`);
  expect([await works(1), await works(2)]).toEqual([200, 200]);
  await set(`not_after = now() + interval '1 hour'`);
  expect([await works(1), await works(2)]).toEqual([200, 200]);
  await set(`not_after = now() - interval '1 second'`);
  expect([await works(1), await works(2)]).toEqual([401, 200]);
  await set('not_after = NULL, revoked_at = now()');
  expect([await works(1), await works(2)]).toEqual([401, 200]);
  const { items } = (await one.api('GET', '/api/orgs/xyz/keys')).body;
  expect(items).toMatchObject([{ generation: 2 }, { generation: 1, revoked_at: expect.any(String) }]);
});
