import { type Bundle, BundleSecret } from '@voiceoi/contracts';
import { openSecret, parseOrgKey } from '@voiceoi/kernel';
import { Check } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

const VALUE = 'pässword ☎ {{ 1 }}';
let one: TestMaster;
beforeAll(async () => {
  one = await startTestMaster();
});
afterAll(() => one.stop());

const make = (id: string) => one.api('POST', '/api/orgs', { id, name: id });
const put = (org: string, name: string, value: unknown = VALUE) =>
  one.api('PUT', `/api/orgs/${org}/secrets/${name}`, { value });
const bundle = async (org: string, generation = 1): Promise<Bundle> =>
  (
    await one.node(org, 'GET', `/api/sync/campaigns?org_id=${org}`, undefined, {
      'x-organization-secret': one.key(org, generation),
    })
  ).body;
const since = async (org: string, revision: number, generation = 1) => {
  const { epoch } = await bundle(org, generation);
  const path = `/api/sync/campaigns?org_id=${org}&since=${revision}&epoch=${epoch}`;
  return (await one.node(org, 'GET', path, undefined, { 'x-organization-secret': one.key(org, generation) })).body;
};
/** What a node with this key makes of an entry. */
function opened(org: string, { name, version, sealed }: BundleSecret, generation = 1): string | undefined {
  const key = parseOrgKey(one.key(org, generation));
  const text = sealed[String(generation)];
  return key && text !== undefined ? openSecret(key, { orgId: org, name, version }, text) : undefined;
}
const everything = async (): Promise<string> => {
  const tables = ['secret', 'change_log', 'organization', 'key_view'];
  const all = await Promise.all(tables.map((table) => one.database.query(`SELECT * FROM ${table}`)));
  const show = (_name: string, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
  return JSON.stringify(all, show);
};

describe('a secret', () => {
  test('is set, listed by its name, and never shown', async () => {
    await make('abc');
    const { status, body } = await put('abc', 'crm_token');
    expect(status).toBe(200);
    const item = { name: 'crm_token', version: 1, updated_at: expect.any(String), updated_by: 'admin@localhost' };
    expect(body).toEqual(item);
    expect((await one.api('GET', '/api/orgs/abc/secrets')).body).toEqual({ items: [item], next_cursor: null });
    expect((await one.api('GET', '/api/orgs/abc/secrets/crm_token')).body).toEqual(item);
  });

  test('is nowhere in the database as it is', async () => {
    await make('rest');
    const value = 'plain-value-that-would-be-found';
    await put('rest', 'a', value);
    const all = await everything();
    expect(all).not.toContain(value);
    expect(all).not.toContain(Buffer.from(value).toString('base64url').slice(0, 30));
    expect(all).toContain('"kind":"secret"');
  });

  test('comes to nodes sealed for each key that is good, and can be opened with each', async () => {
    await make('sealed');
    await put('sealed', 'b');
    await put('sealed', 'a');
    await one.api('POST', '/api/orgs/sealed/keys/rotate');
    for (const generation of [1, 2]) {
      const { secrets } = await bundle('sealed', generation);
      expect(secrets.every((entry) => Check(BundleSecret, entry))).toBe(true);
      expect(secrets.map(({ name, version, sealed }) => [name, version, Object.keys(sealed)])).toEqual([
        ['a', 1, ['1', '2']],
        ['b', 1, ['1', '2']],
      ]);
      expect(secrets.map((entry) => opened('sealed', entry, generation))).toEqual([VALUE, VALUE]);
    }
    await one.api('DELETE', '/api/orgs/sealed/keys/1');
    const { secrets } = await bundle('sealed', 2);
    expect(secrets.map(({ sealed }) => Object.keys(sealed))).toEqual([['2'], ['2']]);
  });

  test('is a revision: nodes get its entry in a change, and its name as it is deleted', async () => {
    await make('changes');
    const { revision } = await bundle('changes');
    await put('changes', 't');
    const set = await since('changes', revision);
    expect(set).toMatchObject({ intent: 'changes', changes: [{ changes: [{ op: 'put', kind: 'secret', id: 't' }] }] });
    const entry = set.changes[0].changes[0].object;
    expect(Check(BundleSecret, entry)).toBe(true);
    expect(opened('changes', entry)).toBe(VALUE);
    expect((await one.api('DELETE', '/api/orgs/changes/secrets/t')).status).toBe(204);
    expect((await since('changes', revision + 1)).changes[0].changes).toEqual([
      { op: 'delete', kind: 'secret', id: 't' },
    ]);
    expect((await bundle('changes')).secrets).toEqual([]);
  });

  test('goes into an older change as it is now: a node must not get a value that was replaced, nor one that was deleted', async () => {
    await make('older');
    const { revision } = await bundle('older');
    await put('older', 'kept', 'first');
    await put('older', 'kept', 'second');
    await put('older', 'gone', 'third');
    await one.api('DELETE', '/api/orgs/older/secrets/gone');
    await one.api('POST', '/api/orgs/older/keys/rotate');
    const { changes } = await since('older', revision, 2);
    const items = changes.map(({ changes: [item] }: { changes: [{ op: string; object: BundleSecret }] }) => item);
    expect(items.map(({ op }: { op: string }) => op)).toEqual(['put', 'put', 'delete', 'delete']);
    expect([0, 1].map((at) => opened('older', items[at].object, 2))).toEqual(['second', 'second']);
  });

  test('has a version that grows with each PUT, of the same value too, and after it was deleted', async () => {
    await make('versions');
    const { revision } = await bundle('versions');
    for (const version of [1, 2]) expect((await put('versions', 't')).body.version).toBe(version);
    await one.api('DELETE', '/api/orgs/versions/secrets/t');
    expect((await put('versions', 't')).body.version).toBe(3);
    expect((await bundle('versions')).revision).toBe(revision + 4);
  });

  test.each([
    ['1st', VALUE],
    ['a-b', VALUE],
    ['a'.repeat(65), VALUE],
    ['ok', ''],
    ['ok', 12],
    ['ok', 'x'.repeat(8193)],
    ['ok', '☎'.repeat(2731)],
    ['ok', 'a\0b'],
  ])('named %s with the value %j is refused, without its value being said', async (name, value) => {
    const { status, body } = await put('abc', name, value);
    expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
    if (typeof value === 'string' && value !== '') expect(JSON.stringify(body)).not.toContain(value);
  });

  test('may have 8 KiB', async () => {
    await make('long');
    expect((await put('long', 't', '☎'.repeat(2730))).status).toBe(200);
    const [entry] = (await bundle('long')).secrets;
    expect(entry && opened('long', entry)).toBe('☎'.repeat(2730));
  });

  test('that is not there cannot be read or deleted, and none is in an organization that is not there', async () => {
    expect((await one.api('GET', '/api/orgs/abc/secrets/none')).status).toBe(404);
    expect((await one.api('DELETE', '/api/orgs/abc/secrets/none')).status).toBe(404);
    expect((await put('nobody', 'a')).status).toBe(404);
    expect((await one.api('GET', '/api/orgs/nobody/secrets')).status).toBe(404);
  });

  test('moved to another row of the database does not open there, and keeps nothing else from the nodes', async () => {
    await make('moved');
    await put('moved', 'a', 'value of a');
    await put('moved', 'b', 'value of b');
    await one.database.query(
      "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE org_id = 'moved' AND name = 'a') WHERE org_id = 'moved' AND name = 'b'",
    );
    await one.api('PATCH', '/api/orgs/moved', { settings: { timezone: 'Asia/Tokyo' } });
    const { secrets, settings } = await bundle('moved');
    expect(settings).toEqual({ timezone: 'Asia/Tokyo' });
    expect(secrets).toMatchObject([{ name: 'a' }, { name: 'b', sealed: {} }]);
  });
});

describe('a simulation', () => {
  const hook = {
    type: 'webhook',
    url: 'https://crm.example/{{ secret.crm_token }}',
    headers: { Authorization: 'Bearer {{ secret.crm_token }}' },
    body: { token: '{{ secret.crm_token }}' },
    on: { ok: 'end', error: 'end', timeout: 'end' },
  };
  const document = { schema: 'voiceoi/script/v1', entry: 'hook', steps: { hook, end: { type: 'return' } } };

  test('has the secrets of the organization, and shows none', async () => {
    await make('sim');
    await put('sim', 'crm_token', 'the-very-secret');
    await one.api('POST', '/api/orgs/sim/scripts', { id: 's', name: 'S', document });
    const { status, body } = await one.api('POST', '/api/orgs/sim/scripts/s/simulate', { inputs: [] });
    expect(status).toBe(200);
    expect(body.outcome).toBe('completed');
    const [effect] = body.steps[0].effects;
    expect(effect).toMatchObject({ url: 'https://crm.example/***', headers: { Authorization: 'Bearer ***' } });
    expect(JSON.stringify(body)).not.toContain('the-very-secret');
  });
});
