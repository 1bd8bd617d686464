import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PeerResult, placeCall } from '../../tools/call/peer.ts';
import { type FakeNode, startFakeNode, statusOf } from '../services/fake-node.ts';
import { freePort } from '../services/free-port.ts';
import { askMaster, masterSettings, PASSWORD, startMode } from '../services/master-process.ts';
import { type PostgresService, postgresSkipReason, startPostgres } from '../services/postgres.ts';
import type { StartedProcess } from '../services/process.ts';
import { type Answer, eventually } from '../services/standalone.ts';

const folder = mkdtempSync(join(tmpdir(), 'voiceoi-gateway-'));
const running: StartedProcess[] = [];
let postgres: PostgresService;
let masterPort: number;
let gatewayPort: number;
let token = '';

function start(settings: object): StartedProcess {
  const started = startMode(settings);
  running.push(started);
  return started;
}

const gatewaySettings = async () => ({
  ...(await masterSettings(postgres, masterPort)),
  ...{ GATEWAY_AGI_PORT: gatewayPort, PUBLIC_URL: `http://127.0.0.1:${masterPort}` },
});

async function startBot(name: string, key: string): Promise<StartedProcess> {
  const started = start({
    ...{ SERVICE_MODE: 'bot', SYNC_MASTER_URL: `http://127.0.0.1:${masterPort}`, SYNC_SECRET_KEY: key, NODE_ID: name },
    ...{ DATA_DIR: join(folder, name), HOST: '127.0.0.1', AGI_PORT: await freePort(), HTTP_PORT: await freePort() },
    ...{ OPS_PORT: await freePort(), DRAIN_SECONDS: 1, MAX_CALLS: 20 },
  });
  await started.waitFor(/the bot node is running/);
  await started.waitFor(/configuration applied/);
  return started;
}

function api(method: string, path: string, body?: unknown, bearer = `Bearer ${token}`): Promise<Answer> {
  return askMaster(path.startsWith('http') ? path : `http://127.0.0.1:${masterPort}${path}`, bearer, method, body);
}

/** An organization with a campaign that ends at once; answers its key. */
async function makeOrganization(id: string): Promise<string> {
  const document = {
    schema: 'voiceoi/script/v1',
    entry: 'a',
    steps: { a: { type: 'answer', next: 'b' }, b: { type: 'return', disposition: 'OK' } },
  };
  const made = [
    await api('POST', '/api/orgs', { id, name: id }),
    await api('POST', `/api/orgs/${id}/scripts`, { id: 's1', name: 'One', document }),
    await api('POST', `/api/orgs/${id}/scripts/s1/publish`, {}),
    await api('POST', `/api/orgs/${id}/campaigns`, { id: 'c1', name: 'One', script_id: 's1' }),
  ];
  expect(made.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
  return (await api('GET', `/api/orgs/${id}/keys`)).body.items[0].key;
}

const call = (hold?: Promise<void>, org = 'acme'): Promise<PeerResult> =>
  placeCall({ host: '127.0.0.1', port: gatewayPort, org, campaign: 'c1', ...(hold && { hold }) });

/** Calls that stay until they are let go. */
function holdCalls(count: number) {
  let release: () => void = () => {};
  const hold = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { release: () => release(), calls: Array.from({ length: count }, () => call(hold)) };
}

async function activeCalls(): Promise<{ readonly [node: string]: number }> {
  const { items } = (await api('GET', '/api/orgs/acme/nodes')).body;
  return Object.fromEntries(
    items.map(({ node_id: id, calls }: { node_id: string; calls: { active: number } }) => [id, calls.active]),
  );
}

describe.skipIf(postgresSkipReason())('a gateway in front of two nodes, on real Postgres', () => {
  const bots = new Map<string, StartedProcess>();
  beforeAll(async () => {
    postgres = await startPostgres();
    [masterPort, gatewayPort] = [await freePort(), await freePort()];
    await start(await gatewaySettings()).waitFor(/the master is running/);
    const login = await api('POST', '/api/auth/login', { email: 'admin@localhost', password: PASSWORD });
    token = login.body.access_token;
    const key = await makeOrganization('acme');
    for (const name of ['node-1', 'node-2']) bots.set(name, await startBot(name, key));
    await eventually(
      async () => (await api('GET', '/api/orgs/acme/nodes')).body.items,
      (items) => items.length === 2 && items.every(({ applied }: { applied: number | null }) => applied !== null),
    );
    await eventually(
      () => call(),
      ({ agistatus }) => agistatus === 'SUCCESS',
    );
  });
  afterAll(async () => {
    for (const started of running) await started.stop('SIGKILL');
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('spreads calls over both, each played to its end', async () => {
    const { release, calls } = holdCalls(8);
    await eventually(activeCalls, (active) => active['node-1'] === 4 && active['node-2'] === 4);
    release();
    for (const result of await Promise.all(calls))
      expect(result).toMatchObject({ agistatus: 'SUCCESS', outcome: 'completed', disposition: 'OK' });
  });

  test('sends all to the other when one drains, and to both again when it is resumed', async () => {
    await eventually(activeCalls, (active) => active['node-1'] === 0 && active['node-2'] === 0);
    await api('POST', '/api/orgs/acme/nodes/node-1/drain');
    // Until the gateway has seen it, the node itself refuses.
    await eventually(
      () => Promise.all([call(), call(), call(), call()]),
      (results) => results.every(({ agistatus }) => agistatus === 'SUCCESS'),
      2_000,
    );
    const { release, calls } = holdCalls(4);
    await eventually(activeCalls, (active) => active['node-2'] === 4);
    expect((await activeCalls())['node-1']).toBe(0);
    release();
    for (const result of await Promise.all(calls)) expect(result).toMatchObject({ agistatus: 'SUCCESS' });

    await api('POST', '/api/orgs/acme/nodes/node-1/resume');
    await eventually(activeCalls, (active) => active['node-1'] === 0 && active['node-2'] === 0);
    await eventually(
      async () => {
        const held = holdCalls(4);
        const active = await eventually(activeCalls, (now) => (now['node-1'] ?? 0) + (now['node-2'] ?? 0) === 4);
        held.release();
        await Promise.all(held.calls);
        await eventually(activeCalls, (now) => now['node-1'] === 0 && now['node-2'] === 0);
        return active;
      },
      (active) => active['node-1'] === 2,
      40_000,
    );
  });

  test('ends the calls of a node that is killed, and sends the next to the other', async () => {
    const { release, calls } = holdCalls(2);
    await eventually(activeCalls, (active) => active['node-1'] === 1 && active['node-2'] === 1);
    await bots.get('node-1')?.stop('SIGKILL');
    const ended = await Promise.race(calls);
    expect(ended).not.toHaveProperty('outcome');
    expect(await Promise.all([call(), call(), call()])).toMatchObject(
      Array.from({ length: 3 }, () => ({ agistatus: 'SUCCESS', disposition: 'OK' })),
    );
    release();
    const results = await Promise.all(calls);
    expect(results.filter(({ outcome }) => outcome === 'completed')).toHaveLength(1);
  });

  test('tells the dialplan when there is no node', async () => {
    await makeOrganization('empty');
    expect(await call(undefined, 'empty')).toMatchObject({
      agistatus: 'FAILURE',
      failure: expect.stringMatching(/^failure no node/),
    });
    expect(await call(undefined, 'nowhere')).toMatchObject({ agistatus: 'FAILURE' });
    expect(await placeCall({ host: '127.0.0.1', port: gatewayPort, campaign: 'c1' })).toMatchObject({
      agistatus: 'FAILURE',
    });
  });

  test('passes webhooks on to the less busy node, by token and by signed URL, and to none that is not there', async () => {
    const key = await makeOrganization('hooks');
    const nodes: readonly FakeNode[] = [await startFakeNode('first'), await startFakeNode('second')];
    const report = (index: number, active: number) =>
      fetch(`http://127.0.0.1:${masterPort}/api/sync/status`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-organization-secret': key },
        body: JSON.stringify(
          statusOf('hooks', `fake-${index}`, { advertise_url: nodes[index]?.url, calls: { active, capacity: 10 } }),
        ),
      });
    expect([(await report(0, 1)).status, (await report(1, 2)).status]).toEqual([200, 200]);
    const path = '/gateway/hooks/webhook/c1';
    expect(await api('POST', `${path}?dialect=json`, { event: 'start' })).toMatchObject({ body: { node: 'first' } });
    expect(nodes[0]?.received).toMatchObject([
      {
        ...{ method: 'POST', url: '/webhook/hooks/c1?dialect=json', body: '{"event":"start"}' },
        headers: {
          'x-organization-secret': key,
          'x-voiceoi-public-url': `http://127.0.0.1:${masterPort}${path}?dialect=json`,
        },
      },
    ]);
    await nodes[0]?.stop();
    const signed = await api('POST', '/api/orgs/hooks/signed-urls', { method: 'POST', path, expires_in: 60 });
    expect(await api('POST', signed.body.url, {}, '')).toMatchObject({ status: 200, body: { node: 'second' } });
    expect(await api('PUT', signed.body.url, {}, '')).toMatchObject({ status: 401 });
    await nodes[1]?.stop();
    const none = await api('POST', path, {});
    expect([none.status, none.body.code, none.headers.get('retry-after')]).toEqual([503, 'NO_NODE', '2']);
  });

  test('does not start on a port that is taken, and says which setting it is', async () => {
    const second = start({ ...(await gatewaySettings()), PORT: await freePort() });
    expect(await second.exited).toBe(78);
    expect(second.output()).toMatch(/GATEWAY_AGI_PORT/);
  });
});
