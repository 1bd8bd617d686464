import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PeerResult, placeCall } from '../../tools/call/peer.ts';
import { freePort } from '../services/free-port.ts';
import { askMaster, masterSettings, PASSWORD, startMode } from '../services/master-process.ts';
import { type PostgresService, postgresSkipReason, startPostgres } from '../services/postgres.ts';
import type { StartedProcess } from '../services/process.ts';
import { type Answer, eventually } from '../services/standalone.ts';

const folder = mkdtempSync(join(tmpdir(), 'voiceoi-nodes-'));
const running: StartedProcess[] = [];
let postgres: PostgresService;
let token = '';

function start(settings: object): StartedProcess {
  const started = startMode(settings);
  running.push(started);
  return started;
}

async function startMaster(port: number): Promise<StartedProcess> {
  const started = start(await masterSettings(postgres, port));
  await started.waitFor(/the master is running/);
  return started;
}

function api(port: number, method: string, path: string, body?: unknown): Promise<Answer> {
  return askMaster(`http://127.0.0.1:${port}${path}`, `Bearer ${token}`, method, body);
}

/** An organization with a campaign that ends at once; answers its key. */
async function makeOrganization(port: number): Promise<string> {
  token = (await api(port, 'POST', '/api/auth/login', { email: 'admin@localhost', password: PASSWORD })).body
    .access_token;
  const document = {
    schema: 'voiceoi/script/v1',
    entry: 'a',
    steps: { a: { type: 'answer', next: 'b' }, b: { type: 'return', disposition: 'OK' } },
  };
  const made = [
    await api(port, 'POST', '/api/orgs', { id: 'acme', name: 'Acme' }),
    await api(port, 'POST', '/api/orgs/acme/scripts', { id: 's1', name: 'One', document }),
    await api(port, 'POST', '/api/orgs/acme/scripts/s1/publish', {}),
    await api(port, 'POST', '/api/orgs/acme/campaigns', { id: 'c1', name: 'One', script_id: 's1' }),
  ];
  expect(made.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
  return (await api(port, 'GET', '/api/orgs/acme/keys')).body.items[0].key;
}

describe.skipIf(postgresSkipReason())('a node that is drained and resumed, with two masters on real Postgres', () => {
  let ports: readonly [number, number];
  let masters: StartedProcess[];
  let bot: StartedProcess;
  let settings: { readonly AGI_PORT: number; readonly OPS_PORT: number };
  beforeAll(async () => {
    postgres = await startPostgres();
    ports = [await freePort(), await freePort()];
    masters = [await startMaster(ports[0]), await startMaster(ports[1])];
    const key = await makeOrganization(ports[0]);
    settings = {
      ...{ SERVICE_MODE: 'bot', SYNC_MASTER_URL: `http://127.0.0.1:${ports[0]}`, SYNC_SECRET_KEY: key },
      ...{ NODE_ID: 'node-1', POOL: 'night', DATA_DIR: join(folder, 'node-1'), HOST: '127.0.0.1', MAX_CALLS: 12 },
      ...{ AGI_PORT: await freePort(), HTTP_PORT: await freePort(), OPS_PORT: await freePort(), DRAIN_SECONDS: 1 },
    };
    bot = await startBot();
  });
  afterAll(async () => {
    for (const started of running) await started.stop('SIGKILL');
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const startBot = async (): Promise<StartedProcess> => {
    const started = start(settings);
    await started.waitFor(/the bot node is running/);
    await started.waitFor(/configuration applied/);
    return started;
  };
  const call = (): Promise<PeerResult> =>
    placeCall({ host: '127.0.0.1', port: settings.AGI_PORT, org: 'acme', campaign: 'c1' });
  const node = async () => (await api(ports[0], 'GET', '/api/orgs/acme/nodes/node-1')).body;
  const isReady = async (): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${settings.OPS_PORT}/readyz`)).status === 200;
  /** Orders the node, and waits no more than a second from the answer for what its calls become. */
  const order = async (port: number, verb: 'drain' | 'resume', agistatus: PeerResult['agistatus']): Promise<void> => {
    const { status, body } = await api(port, 'POST', `/api/orgs/acme/nodes/node-1/${verb}`);
    expect({ status, state: body.state }).toEqual({ status: 200, state: verb === 'drain' ? 'draining' : 'active' });
    await eventually(call, (placed) => placed.agistatus === agistatus, 1000);
  };

  test('registers by itself, and is listed with what it is and does', async () => {
    const { revision } = (await api(ports[0], 'GET', '/api/orgs/acme')).body;
    await eventually(node, ({ applied }) => applied === revision);
    const { items } = (await api(ports[1], 'GET', '/api/orgs/acme/nodes')).body;
    expect(items).toMatchObject([
      {
        node_id: 'node-1',
        pool: 'night',
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        calls: { active: 0, capacity: 12 },
        state: 'active',
        behind: 0,
        rejected: [],
        advertise_agi: `127.0.0.1:${settings.AGI_PORT}`,
      },
    ]);
    expect(await call()).toMatchObject({ agistatus: 'SUCCESS', disposition: 'OK' });
  });

  test('refuses new calls within a second of a drain, and takes them within a second of a resume, whichever master was asked', async () => {
    await eventually(isReady, (ready) => ready);
    for (const port of ports) {
      await order(port, 'drain', 'FAILURE');
      expect(await call()).toMatchObject({ failure: expect.stringContaining('no new calls') });
      expect(await isReady()).toBe(false);
      await order(port, 'resume', 'SUCCESS');
      expect(await isReady()).toBe(true);
    }
    await eventually(
      () => api(ports[0], 'GET', '/api/orgs/acme/calls?outcome=refused'),
      ({ body }) =>
        body.items.length >= 2 && body.items.every(({ reason }: { reason: string }) => reason === 'draining'),
    );
  });

  test('is told within 5 s when its number of calls changes, and stays drained over its own restart while every master is away', async () => {
    let release: () => void = () => {};
    const hold = new Promise<void>((resolve) => {
      release = resolve;
    });
    const inFlight = placeCall({ host: '127.0.0.1', port: settings.AGI_PORT, org: 'acme', campaign: 'c1', hold });
    await eventually(node, ({ calls }) => calls.active === 1, 5000);
    await order(ports[0], 'drain', 'FAILURE');
    release();
    expect(await inFlight).toMatchObject({ agistatus: 'SUCCESS', outcome: 'completed' });

    const before = (await node()).started_at;
    for (const master of masters) await master.stop();
    await bot.stop('SIGKILL');
    bot = await startBot();
    expect(await call()).toMatchObject({ agistatus: 'FAILURE' });
    expect(await isReady()).toBe(false);

    masters = [await startMaster(ports[0]), await startMaster(ports[1])];
    const back = await eventually(node, ({ started_at: startedAt }) => startedAt !== before, 60_000);
    expect(back).toMatchObject({ state: 'draining' });
    expect(await call()).toMatchObject({ agistatus: 'FAILURE' });
    await api(ports[1], 'POST', '/api/orgs/acme/nodes/node-1/resume');
    await eventually(call, ({ agistatus }) => agistatus === 'SUCCESS', 35_000);
  });

  test('is lost when it was killed and 90 s have gone by, and there again when it is started', async () => {
    await bot.stop('SIGKILL');
    expect((await node()).state).toBe('active');
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await client.query("UPDATE node_status SET last_seen_at = last_seen_at - interval '91 seconds'");
    await client.end();
    expect((await node()).state).toBe('lost');
    bot = await startBot();
    await eventually(node, ({ state }) => state === 'active');
  });
});
