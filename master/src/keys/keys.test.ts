import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

describe('rotating and revoking', () => {
  const DAY_MS = 86_400_000;
  const make = (id: string) => one.api('POST', '/api/orgs', { id, name: id });
  const rotate = (id: string, body?: object) => one.api('POST', `/api/orgs/${id}/keys/rotate`, body);
  const revoke = (id: string, generation: number | string) => one.api('DELETE', `/api/orgs/${id}/keys/${generation}`);
  const works = async (id: string, generation: number) =>
    (await withKey(one.key(id, generation), `/api/sync/campaigns?org_id=${id}`)).status === 200;
  const items = async (id: string) => (await one.api('GET', `/api/orgs/${id}/keys`)).body.items;

  test('a rotation answers with the new key, and the one before works for 24 hours more', async () => {
    await make('r1');
    const { status, body, headers } = await rotate('r1');
    expect(status).toBe(201);
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toEqual({ generation: 2, key: one.key('r1', 2), created_at: expect.any(String) });
    const [newest, old] = await items('r1');
    expect(newest.not_after).toBeUndefined();
    expect(Math.abs(Date.parse(old.not_after) - Date.now() - DAY_MS)).toBeLessThan(60_000);
    expect([await works('r1', 1), await works('r1', 2)]).toEqual([true, true]);
  });

  test('the overlap can be chosen, never makes a key that is to end sooner last longer, and may be nothing', async () => {
    await make('r2');
    await rotate('r2', { overlap_seconds: 60 });
    const [, first] = await items('r2');
    await rotate('r2', { overlap_seconds: 3600 });
    const [, second, still] = await items('r2');
    expect(still.not_after).toBe(first.not_after);
    expect(Date.parse(second.not_after)).toBeGreaterThan(Date.parse(first.not_after));
    await rotate('r2', { overlap_seconds: 0 });
    expect([await works('r2', 1), await works('r2', 2), await works('r2', 3), await works('r2', 4)]).toEqual([
      ...[false, false, false],
      true,
    ]);
  });

  test.each([{ overlap_seconds: -1 }, { overlap_seconds: 1.5 }, { overlap_seconds: 1e9 }, { overlap: 1 }])(
    'no rotation comes of %j',
    async (body) => {
      expect(await rotate('xyz', body)).toMatchObject({ status: 400, body: { code: 'VALIDATION_FAILED' } });
    },
  );

  test('two rotations at once make two generations, and one key without an end', async () => {
    await make('r3');
    const made = await Promise.all([rotate('r3'), rotate('r3'), rotate('r3')]);
    expect(made.map(({ body }) => body.generation).sort()).toEqual([2, 3, 4]);
    const ends = (await items('r3')).map(({ not_after }: { not_after?: string }) => not_after !== undefined);
    expect(ends).toEqual([false, true, true, true]);
  });

  test('a revoked key is refused at once, and revoking it again changes nothing', async () => {
    await make('r4');
    await rotate('r4');
    expect((await revoke('r4', 1)).status).toBe(204);
    expect([await works('r4', 1), await works('r4', 2)]).toEqual([false, true]);
    const before = await items('r4');
    expect((await revoke('r4', 1)).status).toBe(204);
    expect(await items('r4')).toEqual(before);
  });

  test('the only good key cannot be revoked, nor the last one that has no end, and the refusal says what to do', async () => {
    await make('r5');
    const refused = { status: 409, body: { code: 'LAST_KEY', detail: expect.stringContaining('rotate') } };
    expect(await revoke('r5', 1)).toMatchObject(refused);
    await rotate('r5');
    expect(await revoke('r5', 2)).toMatchObject(refused);
    expect([await works('r5', 1), await works('r5', 2)]).toEqual([true, true]);
  });

  test.each(['7', '0', '01', 'x', '99999999999'])('there is no generation %s to revoke', async (generation) => {
    expect([400, 404]).toContain((await revoke('xyz', generation)).status);
  });

  test('an organization that is not there has no keys to rotate or revoke', async () => {
    expect((await rotate('nobody')).status).toBe(404);
    expect((await revoke('nobody', 1)).status).toBe(404);
  });

  test('who has seen which keys is written down', async () => {
    await make('r6');
    await items('r6');
    await rotate('r6');
    const { rows } = await one.database.query(
      "SELECT actor, generations, viewed_at FROM key_view WHERE org_id = 'r6' ORDER BY viewed_at",
    );
    expect(rows).toMatchObject([
      { actor: 'admin@localhost', generations: [1] },
      { actor: 'admin@localhost', generations: [2] },
    ]);
  });
});
