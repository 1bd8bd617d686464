import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PeerResult, placeCall } from '../../tools/call/peer.ts';
import { freePort } from '../services/free-port.ts';
import { type StartedProcess, startProcess } from '../services/process.ts';
import { eventually, ROOT, type Standalone, startStandalone } from '../services/standalone.ts';

const SECRET = 'the-very-secret-token';
const folder = mkdtempSync(join(tmpdir(), 'voiceoi-keys-'));
const mounted = join(folder, 'keys');

/** As the kubelet mounts a Secret: a folder for each version, one link that is swapped, and a link for each name. */
let versions = 0;
function mount(files: { readonly [name: string]: readonly string[] }): void {
  const version = `..v${versions++}`;
  mkdirSync(join(mounted, version), { recursive: true });
  for (const [name, keys] of Object.entries(files)) writeFileSync(join(mounted, version, name), keys.join('\n'));
  symlinkSync(version, join(mounted, '..data_tmp'));
  renameSync(join(mounted, '..data_tmp'), join(mounted, '..data'));
  for (const name of Object.keys(files)) {
    rmSync(join(mounted, name), { force: true });
    symlinkSync(join('..data', name), join(mounted, name));
  }
}

/** Files below a folder that hold a text. */
function filesWith(path: string, text: string): readonly string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file).includes(text));
}

/** A customer's system that scripts call, and what it was sent. */
async function startCrm(): Promise<{ readonly server: Server; readonly tokens: (string | undefined)[] }> {
  const tokens: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, tokens };
}

describe('keys and secrets with processes of their own', () => {
  let master: Standalone;
  let bot: StartedProcess;
  let crm: Awaited<ReturnType<typeof startCrm>>;
  let settings: { readonly AGI_PORT: number; readonly OPS_PORT: number };
  const api = async (method: string, path: string, body?: unknown) => {
    const answer = await master.api(method, path, body);
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    return answer.body;
  };
  const call = (org: string): Promise<PeerResult> =>
    placeCall({ host: '127.0.0.1', port: settings.AGI_PORT, org, campaign: 'c1' });
  const readiness = async () => {
    const body: { readonly ready?: unknown } = Object(
      await (await fetch(`http://127.0.0.1:${settings.OPS_PORT}/readyz`)).json(),
    );
    return body;
  };
  const keysOf = async (org: string): Promise<readonly string[]> =>
    (await api('GET', `/api/orgs/${org}/keys`)).items.map(({ key }: { key: string }) => key);
  const dispositionOf = async (org: string): Promise<string | undefined> => (await call(org)).disposition;

  async function makeOrganization(id: string): Promise<void> {
    const hook = {
      type: 'webhook',
      url: `http://127.0.0.1:${(crm.server.address() as AddressInfo).port}/`,
      headers: { Authorization: 'Bearer {{ secret.crm_token }}' },
      on: { ok: 'ok', error: 'failed', timeout: 'failed' },
    };
    const ends = { ok: { type: 'return', disposition: 'OK' }, failed: { type: 'return', disposition: 'FAILED' } };
    const document = { schema: 'voiceoi/script/v1', entry: 'hook', steps: { hook, ...ends } };
    await api('POST', '/api/orgs', { id, name: id, settings: { webhook_allow: ['127.0.0.1'] } });
    await api('POST', `/api/orgs/${id}/scripts`, { id: 's1', name: 'One', document });
    await api('POST', `/api/orgs/${id}/scripts/s1/publish`, {});
    await api('POST', `/api/orgs/${id}/campaigns`, { id: 'c1', name: 'One', script_id: 's1' });
  }

  beforeAll(async () => {
    crm = await startCrm();
    master = await startStandalone();
    await makeOrganization('acme');
    await makeOrganization('zenith');
    mount({});
    settings = { AGI_PORT: await freePort(), OPS_PORT: await freePort() };
    const rest = { HTTP_PORT: await freePort(), DATA_DIR: join(folder, 'data'), HOST: '127.0.0.1', NODE_ID: 'n1' };
    const all = { ...{ SERVICE_MODE: 'bot', SYNC_MASTER_URL: master.url, SYNC_SECRET_KEYS_DIR: mounted }, ...rest };
    const words = Object.entries({ ...all, ...settings }).map(([name, value]) => `${name}=${value}`);
    bot = startProcess(process.execPath, ['bin/start.js', ...words], { cwd: ROOT });
    await bot.waitFor(/the bot node is running/);
  });
  afterAll(async () => {
    await bot?.stop('SIGKILL');
    await master?.stop();
    crm.server.close();
    crm.server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a node without keys waits, and serves each organization as its key is mounted', async () => {
    expect(await readiness()).toMatchObject({ ready: false, reasons: ['no organization’s key yet'] });
    expect(await call('acme')).toMatchObject({ agistatus: 'FAILURE' });
    mount({ acme: await keysOf('acme') });
    await eventually(readiness, ({ ready }) => ready === true, 10_000);
    expect(await dispositionOf('acme')).toBe('FAILED');
    mount({ acme: await keysOf('acme'), zenith: await keysOf('zenith') });
    await eventually(
      () => call('zenith'),
      ({ agistatus }) => agistatus === 'SUCCESS',
      10_000,
    );
  });

  test('a secret reaches the webhook of the next call, and no disk, no log, no record', async () => {
    await api('PUT', '/api/orgs/acme/secrets/crm_token', { value: SECRET });
    await eventually(
      () => dispositionOf('acme'),
      (disposition) => disposition === 'OK',
      5000,
    );
    expect(crm.tokens.at(-1)).toBe(`Bearer ${SECRET}`);
    const calls = await eventually(
      () => api('GET', '/api/orgs/acme/calls?disposition=OK'),
      ({ items }) => items.length > 0,
    );
    const record = await api('GET', `/api/orgs/acme/calls/${calls.items[0].call_id}`);
    expect(JSON.stringify(record)).toContain('Bearer ***');
    expect(JSON.stringify(record) + bot.output() + master.process.output()).not.toContain(SECRET);
    for (const path of [join(folder, 'data'), master.dataDir]) expect(filesWith(path, SECRET)).toEqual([]);
    expect(filesWith(join(folder, 'data'), 'crm_token').length).toBeGreaterThan(0);
  });

  test('a rotated key is taken up, and then the old one can be revoked: calls, secrets and records go on', async () => {
    await api('POST', '/api/orgs/acme/keys/rotate');
    mount({ acme: await keysOf('acme'), zenith: await keysOf('zenith') });
    const newest = async () => (await api('GET', '/api/orgs/acme/keys')).items[0];
    await eventually(newest, ({ last_used_at: usedAt }) => usedAt !== undefined, 10_000);
    await api('DELETE', '/api/orgs/acme/keys/1');
    await api('PUT', '/api/orgs/acme/secrets/crm_token', { value: `${SECRET}-2` });
    await call('acme');
    await eventually(
      async () => (await call('acme')) && crm.tokens.at(-1),
      (sent) => sent === `Bearer ${SECRET}-2`,
      10_000,
    );
    const before = (await api('GET', '/api/orgs/acme/calls?limit=200')).items.length;
    await call('acme');
    await eventually(
      () => api('GET', '/api/orgs/acme/calls?limit=200'),
      ({ items }) => items.length > before,
    );
    expect(bot.output()).not.toMatch(/voi_[a-z]+_\d/);
  });

  test('the node within a standalone takes up a key that was rotated as well, and the old one can go', async () => {
    const newest = async () => (await api('GET', '/api/orgs/abc/keys')).items[0];
    await api('POST', '/api/orgs/abc/keys/rotate', { overlap_seconds: 3600 });
    await eventually(newest, ({ last_used_at: usedAt }) => usedAt !== undefined, 10_000);
    await api('DELETE', '/api/orgs/abc/keys/1');
    await api('PATCH', '/api/orgs/abc', { settings: { timezone: 'Asia/Tokyo' } });
    const { revision } = await api('GET', '/api/orgs/abc');
    const node = async () => (await api('GET', '/api/orgs/abc/nodes')).items[0];
    await eventually(node, ({ applied }) => applied === revision, 10_000);
  });

  test('an organization that is no longer mounted is refused, and the other goes on', async () => {
    const [key] = await keysOf('zenith');
    mount({ zenith: [key ?? ''] });
    rmSync(join(mounted, 'acme'));
    await eventually(
      () => call('acme'),
      ({ agistatus }) => agistatus === 'FAILURE',
      10_000,
    );
    expect(await call('zenith')).toMatchObject({ agistatus: 'SUCCESS' });
    expect(await readiness()).toMatchObject({ ready: true });
  });
});
