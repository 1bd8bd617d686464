import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Bundle, SyncAnswer } from '@voiceoi/contracts';
import { Compile } from 'typebox/compile';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { chooseEncoding } from './encoding.ts';

let one: TestMaster;
const document = {
  schema: 'voiceoi/script/v1',
  entry: 'end',
  steps: { end: { type: 'return', note: 'long enough to be worth packing '.repeat(40) } },
};
beforeAll(async () => {
  one = await startTestMaster();
  await one.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
  await one.api('POST', '/api/orgs/abc/scripts', { id: 'menu', name: 'Menu', document });
  await one.api('POST', '/api/orgs/abc/campaigns', { id: '123', name: 'Sales', script_id: 'menu' });
  await one.api('POST', '/api/orgs/abc/scripts/menu/publish', { note: 'first' });
});
afterAll(() => one.stop());

const path = '/api/sync/campaigns?org_id=abc';
const get = (headers: { readonly [name: string]: string } = {}, query = '') =>
  one.node('abc', 'GET', path + query, undefined, headers);

describe('GET /api/sync/campaigns', () => {
  test('answers the bundle of the contract', async () => {
    const { status, body } = await get();
    expect(status).toBe(200);
    expect(Compile(Bundle).Check(body)).toBe(true);
    expect(body).toMatchObject({
      schema: 1,
      org_id: 'abc',
      revision: 2,
      settings: {},
      secrets: [],
      bus: { kind: 'stream' },
      campaigns: [{ id: '123', script_id: 'menu', version: 1, status: 'active', variables: {}, lead_variables: [] }],
      scripts: [{ id: 'menu', version: 1, document }],
    });
  });

  test('says nothing anew to whoever has it, in every form of the header', async () => {
    const { headers } = await get();
    const etag = String(headers['etag']);
    for (const tag of [etag, etag.replace('W/', ''), `"x", ${etag}`, '*']) {
      const { status, body } = await get({ 'if-none-match': tag });
      expect([tag, status, body.length]).toEqual([tag, 304, 0]);
    }
    expect((await get({ 'if-none-match': '"x"' })).status).toBe(200);
  });

  test('has another ETag after a change, and the same one on another master', async () => {
    const before = String((await get()).headers['etag']);
    const other = await one.another();
    const there = await other.app.inject({ url: path, headers: { 'x-organization-secret': one.key('abc') } });
    expect(there.headers['etag']).toBe(before);
    await one.api('PATCH', '/api/orgs/abc', { settings: { timezone: 'Asia/Tokyo' } });
    const after = await get({ 'if-none-match': before });
    expect([after.status, after.body.revision]).toEqual([200, 3]);
    expect(after.headers['etag']).not.toBe(before);
  });

  test('is packed as asked', async () => {
    const plain = (await get()).body;
    const br = await get({ 'accept-encoding': 'gzip, deflate, br' });
    expect(br.headers['content-encoding']).toBe('br');
    expect(JSON.parse(brotliDecompressSync(br.body).toString())).toEqual(plain);
    const gzip = await get({ 'accept-encoding': 'gzip;q=1.0, br;q=0' });
    expect(gzip.headers['content-encoding']).toBe('gzip');
    expect(JSON.parse(gunzipSync(gzip.body).toString())).toEqual(plain);
    expect(gzip.headers['vary']).toBe('accept-encoding');
    const full = await get({ 'accept-encoding': 'gzip' }, '&since=0&epoch=other');
    expect(JSON.parse(gunzipSync(full.body).toString())).toEqual({ intent: 'full', bundle: plain });
  });

  test.each([
    [undefined, undefined],
    ['', undefined],
    ['identity', undefined],
    ['gzip', 'gzip'],
    ['GZIP, BR', 'br'],
    ['br;q=0.000, gzip;q=0.5', 'gzip'],
    ['gzip;q=0', undefined],
  ])('accept-encoding %s means %s', (header, encoding) => {
    expect(chooseEncoding(header)).toBe(encoding);
  });

  test('chooses what to send to a node that has something', async () => {
    const { epoch, revision } = (await get()).body;
    const since = async (number: number, of = epoch) => (await get({}, `&since=${number}&epoch=${of}`)).body;
    expect(await since(revision)).toEqual({ intent: 'none' });
    const changes = await since(revision - 2);
    expect(Compile(SyncAnswer).Check(changes)).toBe(true);
    expect(changes.intent).toBe('changes');
    expect(changes.changes.map(({ to }: { to: number }) => to)).toEqual([revision - 1, revision]);
    for (const answer of [await since(revision + 1), await since(revision, 'other')]) {
      expect(answer).toMatchObject({ intent: 'full', bundle: { revision, epoch } });
      expect(Compile(SyncAnswer).Check(answer)).toBe(true);
    }
  });

  test('sends the bundle to a node whose key is not the one that signs: it could not verify changes', async () => {
    await one.api('POST', '/api/orgs', { id: 'rotated', name: 'Rotated' });
    await one.api('PATCH', '/api/orgs/rotated', { settings: { timezone: 'Asia/Tokyo' } });
    await one.database.query("INSERT INTO organization_key (org_id, generation) VALUES ('rotated', 2)");
    const ask = async (generation: number, query: string) =>
      (
        await one.master.app.inject({
          url: `/api/sync/campaigns?org_id=rotated${query}`,
          headers: { 'x-sync-token': one.key('rotated', generation) },
        })
      ).json();
    const { epoch } = await ask(1, '');
    expect((await ask(1, `&since=0&epoch=${epoch}`)).intent).toBe('full');
    expect(await ask(2, `&since=0&epoch=${epoch}`)).toMatchObject({ intent: 'changes', changes: [{ kid: '2' }] });
    await one.database.query(
      "UPDATE organization_key SET not_after = now() WHERE org_id = 'rotated' AND generation = 1",
    );
    expect(await ask(1, '')).toMatchObject({ code: 'UNKNOWN_KEY' });
  });

  test.each([
    ['', 'org_id'],
    ['?org_id=ABC', 'org_id'],
    ['?org_id=abc&since=-1', '/since'],
    ['?org_id=abc&since=one', '/since'],
    ['?org_id=abc&since=1.5', '/since'],
    ['?org_id=abc&force=1', '/force'],
    ['?org_id=abc&epoch=%00', '/epoch'],
  ])('refuses the query %s by the name of what is wrong', async (query, name) => {
    const { status, body, headers } = await one.node('abc', 'GET', `/api/sync/campaigns${query}`);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    expect([400, 403]).toContain(status);
    if (status === 400) expect(body.errors[0].path).toContain(name);
  });

  test('is prepared once for many that ask at once, and never older than what was committed before they asked', async () => {
    await one.api('POST', '/api/orgs', { id: 'many', name: 'Many' });
    let committed = 0;
    const ask = async () => {
      const least = committed;
      const { body } = await one.node('many', 'GET', '/api/sync/campaigns?org_id=many');
      expect(body.revision).toBeGreaterThanOrEqual(least);
      return body.generated_at;
    };
    for (let i = 1; i <= 20; i++) {
      await one.api('PATCH', '/api/orgs/many', { settings: { timezone: i % 2 === 0 ? 'Asia/Tokyo' : 'Europe/Rome' } });
      committed = i;
      await Promise.all([ask(), ask(), ask()]);
    }
    expect(new Set(await Promise.all([ask(), ask(), ask()])).size).toBe(1);
  });
});
