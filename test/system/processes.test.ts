import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PeerResult, placeCall } from '../../tools/call/peer.ts';
import { freePort } from '../services/free-port.ts';
import { npmPackage } from '../services/npm-package.ts';
import { type PostgresService, postgresSkipReason, startPostgres } from '../services/postgres.ts';
import { type StartedProcess, startProcess } from '../services/process.ts';
import { eventually, ROOT } from '../services/standalone.ts';

const folder = mkdtempSync(join(tmpdir(), 'voiceoi-processes-'));
const running: StartedProcess[] = [];
let postgres: PostgresService;
let master: StartedProcess;
let masterPort: number;
let token = '';

const words = (settings: object): readonly string[] =>
  Object.entries(settings).map(([name, value]) => `${name}=${value}`);

function start(
  command: string,
  args: readonly string[],
  options: Parameters<typeof startProcess>[2] = {},
): StartedProcess {
  const started = startProcess(command, args, options);
  running.push(started);
  return started;
}

async function startMaster(): Promise<StartedProcess> {
  const secret = join(folder, 'jwt');
  const password = join(folder, 'db-pass');
  writeFileSync(secret, `${'j'.repeat(40)}\n`);
  writeFileSync(password, `${postgres.password || 'unused'}\n`);
  const settings = {
    DB_HOST: postgres.host,
    DB_PORT: postgres.port,
    DB_USER: postgres.user,
    DB_NAME: postgres.database,
    JWT_SECRET_FILE: secret,
    PORT: masterPort,
    HOST: '127.0.0.1',
    OPS_PORT: await freePort(),
  };
  const started = start(process.execPath, ['bin/start.js', 'SERVICE_MODE=master', ...words(settings)], {
    cwd: ROOT,
    env: {
      DB_PASS_FILE: password,
      SYNC_SECRET_SALT: 's'.repeat(40),
      ADMIN_PASSWORD: 'correct horse battery',
      PORT: '1',
    },
  });
  await started.waitFor(/the master is running/);
  return started;
}

async function api(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: { readonly [name: string]: unknown } }> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  const response = await fetch(`http://127.0.0.1:${masterPort}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : {} };
}

async function nodeSettings(name: string, key: string) {
  return {
    SERVICE_MODE: 'bot',
    SYNC_MASTER_URL: `http://127.0.0.1:${masterPort}`,
    SYNC_SECRET_KEY: key,
    NODE_ID: name,
    DATA_DIR: join(folder, name),
    HOST: '127.0.0.1',
    AGI_PORT: await freePort(),
    HTTP_PORT: await freePort(),
    OPS_PORT: await freePort(),
    DRAIN_SECONDS: 10,
  };
}

const call = (port: number, rest: object = {}): Promise<PeerResult> =>
  placeCall({ host: '127.0.0.1', port, org: 'acme', campaign: 'c1', ...rest });

/** An organization with a script that ends at once, and its key. */
async function makeOrganization(): Promise<string> {
  const login = await api('POST', '/api/auth/login', { email: 'admin@localhost', password: 'correct horse battery' });
  token = String(login.body['access_token']);
  expect((await api('POST', '/api/orgs', { id: 'acme', name: 'Acme' })).status).toBe(201);
  const document = {
    schema: 'voiceoi/script/v1',
    entry: 'a',
    steps: { a: { type: 'answer', next: 'b' }, b: { type: 'return', disposition: 'OK' } },
  };
  expect((await api('POST', '/api/orgs/acme/scripts', { id: 's1', name: 'One', document })).status).toBe(201);
  expect((await api('POST', '/api/orgs/acme/scripts/s1/publish', {})).status).toBe(201);
  expect((await api('POST', '/api/orgs/acme/campaigns', { id: 'c1', name: 'One', script_id: 's1' })).status).toBe(201);
  const keys = (await api('GET', '/api/orgs/acme/keys')).body['items'] as { key: string }[];
  return keys[0]?.key ?? '';
}

describe.skipIf(postgresSkipReason())('master and bot as processes of their own, with real Postgres', () => {
  let key: string;
  beforeAll(async () => {
    postgres = await startPostgres();
    masterPort = await freePort();
    master = await startMaster();
    key = await makeOrganization();
  });
  afterAll(async () => {
    for (const started of running) await started.stop('SIGKILL');
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a node takes calls from the master’s configuration, goes on without the master and over its own restart, and delivers its records later', async () => {
    const settings = await nodeSettings('node-1', key);
    let bot = start(process.execPath, ['bin/start.js', ...words(settings)], { cwd: ROOT });
    await bot.waitFor(/the bot node is running/);
    await bot.waitFor(/configuration applied/);
    expect(await call(settings.AGI_PORT)).toMatchObject({
      agistatus: 'SUCCESS',
      outcome: 'completed',
      disposition: 'OK',
    });

    expect(await master.stop()).toBe(0);
    const offline = await call(settings.AGI_PORT);
    expect(offline).toMatchObject({ agistatus: 'SUCCESS', disposition: 'OK' });
    master = await startMaster();
    await eventually(
      () => api('GET', `/api/orgs/acme/calls/${offline.call_id}`),
      ({ status }) => status === 200,
      60_000,
    );

    await master.stop();
    expect(await bot.stop()).toBe(0);
    bot = start(process.execPath, ['bin/start.js', ...words(settings)], { cwd: ROOT });
    await bot.waitFor(/the bot node is running/);
    expect(bot.output()).toContain('"source":"disk"');
    expect(await call(settings.AGI_PORT)).toMatchObject({ agistatus: 'SUCCESS', disposition: 'OK' });
    expect((await fetch(`http://127.0.0.1:${settings.OPS_PORT}/readyz`)).status).toBe(200);
    await bot.stop('SIGKILL');
    master = await startMaster();
  });

  test('another administrator is made from the command line, and signs in with the password that it shows', async () => {
    const settings = {
      DB_HOST: postgres.host,
      DB_PORT: postgres.port,
      DB_USER: postgres.user,
      DB_NAME: postgres.database,
      DB_PASS: postgres.password || 'unused',
      ADMIN_EMAIL: 'second@example.com',
    };
    const run = () => start('npm', ['run', '-s', 'admin', '--', 'create-admin', ...words(settings)], { cwd: ROOT });
    const made = run();
    expect(await made.exited, made.output()).toBe(0);
    const password = /^Made second@example\.com with the password (\S{20}) \(shown this once\)\.$/m.exec(
      made.output(),
    )?.[1];
    const login = await api('POST', '/api/auth/login', { email: 'second@example.com', password });
    expect(login).toMatchObject({ status: 200, body: { user: { email: 'second@example.com', superadmin: true } } });
    const again = run();
    expect(await again.exited).toBe(1);
    expect(again.output()).toContain('There is a user second@example.com already');
  });

  test('the audit log is checked from the command line, and against a head that was kept elsewhere', async () => {
    const settings = {
      DB_HOST: postgres.host,
      DB_PORT: postgres.port,
      DB_USER: postgres.user,
      DB_NAME: postgres.database,
      DB_PASS: postgres.password || 'unused',
    };
    const run = (...options: readonly string[]) =>
      start('npm', ['run', '-s', 'admin', '--', 'verify-audit', ...options, ...words(settings)], { cwd: ROOT });
    const all = run();
    expect(await all.exited, all.output()).toBe(0);
    expect(all.output()).toMatch(/^\d+ chains, \d+ entries hold, 0 chains broken\.$/m);
    const head = /^_instance:\d+:[0-9a-f]{64}$/m.exec(all.output())?.[0] ?? '';
    const one = run('--org', '_instance', '--known', head);
    expect(await one.exited, one.output()).toBe(0);
    const other = run('--org', '_instance', '--known', head.replace(/[0-9a-f]{64}$/, '0'.repeat(64)));
    expect(await other.exited, other.output()).toBe(1);
    expect(other.output()).toMatch(/^_instance: entry \d+ is not the one whose hash was kept/m);
    const misuse = run('--orgs', 'abc');
    expect(await misuse.exited, misuse.output()).toBe(2);
  });

  test('a node that ends lets calls in flight end, and refuses new ones meanwhile', async () => {
    const settings = await nodeSettings('node-2', key);
    const bot = start(process.execPath, ['bin/start.js', ...words(settings)], { cwd: ROOT });
    await bot.waitFor(/the bot node is running/);
    await bot.waitFor(/configuration applied/);
    // The peer keeps its answer back, so that the call is in flight for as long as the test wants it.
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const inFlight = placeCall({ host: '127.0.0.1', port: settings.AGI_PORT, org: 'acme', campaign: 'c1', hold: held });
    const state = async () =>
      (await (await fetch(`http://127.0.0.1:${settings.OPS_PORT}/state`)).json()) as { calls: { active: number } };
    await eventually(state, ({ calls }) => calls.active === 1);
    bot.child.kill('SIGTERM');
    await eventually(
      async () => (await fetch(`http://127.0.0.1:${settings.OPS_PORT}/readyz`)).status,
      (status) => status === 503,
    );
    expect(await call(settings.AGI_PORT)).toMatchObject({
      agistatus: 'FAILURE',
      failure: expect.stringContaining('no new calls'),
    });
    release();
    expect(await inFlight).toMatchObject({ agistatus: 'SUCCESS', outcome: 'completed' });
    expect(await bot.exited).toBe(0);
    await eventually(
      () => api('GET', '/api/orgs/acme/calls?node_id=node-2&outcome=completed'),
      ({ body }) => (body['items'] as unknown[]).length === 1,
    );
  });

  test('a node that is killed loses no call: those that had ended are as they were, those in flight have failed', async () => {
    const settings = await nodeSettings('node-3', key);
    const start3 = () => start(process.execPath, ['bin/start.js', ...words(settings)], { cwd: ROOT });
    const bot = start3();
    await bot.waitFor(/the bot node is running/);
    await bot.waitFor(/configuration applied/);
    let release: () => void = () => {};
    const hold = new Promise<void>((resolve) => {
      release = resolve;
    });
    const inFlight = placeCall({ host: '127.0.0.1', port: settings.AGI_PORT, org: 'acme', campaign: 'c1', hold });
    const ops = `http://127.0.0.1:${settings.OPS_PORT}`;
    const state = async () => (await (await fetch(`${ops}/state`)).json()) as { calls: { active: number } };
    await eventually(state, ({ calls }) => calls.active === 1);
    // Once the master has the start of the call in flight, it is in no segment any more.
    await eventually(
      async () => (await fetch(`${ops}/metrics`)).text(),
      (text) => /voiceoi_log_spool_bytes 0/.test(text),
    );
    await master.stop();
    const ended = await Promise.all(Array.from({ length: 20 }, () => call(settings.AGI_PORT)));
    await bot.stop('SIGKILL');
    release();
    await inFlight;
    master = await startMaster();
    const again = start3();
    await again.waitFor(/the bot node is running/);
    for (const { call_id } of ended)
      await eventually(
        () => api('GET', `/api/orgs/acme/calls/${call_id}`),
        ({ body }) => body['outcome'] === 'completed',
      );
    const failed = await eventually(
      () => api('GET', '/api/orgs/acme/calls?node_id=node-3&outcome=failed'),
      ({ body }) => (body['items'] as unknown[]).length > 0,
    );
    expect(failed.body['items']).toMatchObject([{ reason: 'the node was killed' }]);
    await again.stop();
  });

  describe.each([
    ['24', () => process.execPath],
    ['22', () => join(npmPackage(`node-linux-${process.arch}`, '22.21.0'), 'bin/node')],
  ])('the bot’s single file on Node %s', (name, node) => {
    test('runs from an empty folder with package.json alone', async () => {
      const empty = join(folder, `single-${name}`);
      mkdirSync(join(empty, 'dist'), { recursive: true });
      copyFileSync(join(ROOT, 'dist/index.js'), join(empty, 'dist/index.js'));
      copyFileSync(join(ROOT, 'package.json'), join(empty, 'package.json'));
      const settings = await nodeSettings(`single-${name}`, key);
      const bot = start(node(), ['dist/index.js', ...words(settings)], { cwd: empty });
      await bot.waitFor(/the bot node is running/);
      await bot.waitFor(/configuration applied/);
      expect(await call(settings.AGI_PORT)).toMatchObject({ agistatus: 'SUCCESS', disposition: 'OK' });
      expect(await bot.stop('SIGINT')).toBe(0);
      const broken = start(node(), ['dist/index.js', 'SERVICE_MODE=bot'], { cwd: empty });
      expect(await broken.exited).toBe(78);
      expect(broken.output()).toContain('SYNC_MASTER_URL is not set');
    });
  });

  test('runs under pm2 with its argument form', async () => {
    const empty = join(folder, 'pm2');
    mkdirSync(join(empty, 'dist'), { recursive: true });
    copyFileSync(join(ROOT, 'dist/index.js'), join(empty, 'dist/index.js'));
    copyFileSync(join(ROOT, 'package.json'), join(empty, 'package.json'));
    const settings = await nodeSettings('pm2', key);
    const env = { PM2_HOME: join(empty, '.pm2'), PM2_DISCRETE_MODE: 'true' };
    const pm2 = (...args: readonly string[]): StartedProcess =>
      start(process.execPath, [join(npmPackage('pm2', '6.0.7'), 'bin/pm2'), ...args], { cwd: empty, env });
    try {
      expect(
        await pm2(
          'start',
          'dist/index.js',
          '--name',
          'voiceoi-bot',
          '--kill-timeout',
          '10000',
          '--',
          ...words(settings),
        ).exited,
      ).toBe(0);
      await eventually(
        () => call(settings.AGI_PORT),
        ({ agistatus }) => agistatus === 'SUCCESS',
        30_000,
      );
    } finally {
      await pm2('kill').exited;
    }
    expect(await call(settings.AGI_PORT)).toMatchObject({ agistatus: 'UNREACHABLE' });
  });
});
