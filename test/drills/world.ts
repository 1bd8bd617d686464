import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deriveOrgKey } from '@voiceoi/kernel';
import pg from 'pg';
import { type FaultProxy, startFaultProxy } from '../services/fault-proxy.ts';
import { freePort } from '../services/free-port.ts';
import { startPostgresServer } from '../services/postgres.ts';
import { type RedisService, startRedis } from '../services/redis.ts';
import type { Answer } from '../services/standalone.ts';
import { type Machine, machine } from './machine.ts';
import { script } from './script.ts';

export const ORG = 'drill';
const SALT = 's'.repeat(40);
const PASSWORD = 'correct horse battery';

export interface DrillMaster extends Machine {
  readonly port: number;
  readonly toPostgres: FaultProxy;
  readonly toRedis: FaultProxy;
}

export interface DrillNode extends Machine {
  readonly agiPort: number;
  readonly dataDir: string;
  /** To the master that it was told; can be aimed at the other one. */
  readonly toMaster: FaultProxy;
  /** `/state` of the node. */
  state(): Promise<Answer['body']>;
}

/** Two masters, two nodes, Postgres and Redis, each a process of its own, with a fault proxy on every way between them. */
export interface World {
  readonly masters: readonly [DrillMaster, DrillMaster];
  readonly nodes: readonly [DrillNode, DrillNode];
  /** From both nodes. */
  readonly toRedis: FaultProxy;
  readonly redis: RedisService;
  readonly postgres: { kill(): Promise<void>; restart(): Promise<void> };
  /** Settings of `DB_…`, past the proxies. */
  readonly database: { readonly [name: string]: string | number };
  key(generation: number): string;
  /** Asks one master's API, past the proxies. @throws when no answer comes */
  api(master: DrillMaster, method: string, path: string, body?: unknown): Promise<Answer>;
  /** Past the proxies. */
  sql<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  stop(): Promise<void>;
}

/** Resolves once both nodes play version 1 of the only script. */
export async function startWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'voiceoi-drill-'));
  const server = await startPostgresServer({ durable: true });
  const redis = await startRedis();
  const toRedis = await startFaultProxy(redis);
  const links: FaultProxy[] = [toRedis];
  let token = '';
  const link = async (target: { readonly host: string; readonly port: number }): Promise<FaultProxy> => {
    const proxy = await startFaultProxy(target);
    links.push(proxy);
    return proxy;
  };
  const address = addressOf(server.url);

  const makeMaster = async (name: string): Promise<DrillMaster> => {
    const [toPostgres, ownRedis] = [await link(address), await link(redis)];
    const [port, opsPort] = [await freePort(), await freePort()];
    const settings = {
      ...dbSettings({ ...address, port: toPostgres.port }),
      ...{ REDIS_HOST: ownRedis.host, REDIS_PORT: ownRedis.port, REDIS_PUBLIC_PORT: toRedis.port },
      ...{ JWT_SECRET: 'j'.repeat(40), SYNC_SECRET_SALT: SALT, ADMIN_PASSWORD: PASSWORD },
      ...{ HOST: '127.0.0.1', PORT: port, OPS_PORT: opsPort, DRAIN_SECONDS: 5 },
    };
    const made = machine({ name, entry: 'master/dist/main.js', running: /the master is running/, settings, opsPort });
    return { ...made, port, toPostgres, toRedis: ownRedis };
  };
  const makeNode = async (name: string, master: DrillMaster): Promise<DrillNode> => {
    const toMaster = await link({ host: '127.0.0.1', port: master.port });
    const [agiPort, opsPort] = [await freePort(), await freePort()];
    const dataDir = join(folder, name);
    const settings = {
      ...{ SYNC_MASTER_URL: `http://127.0.0.1:${toMaster.port}`, SYNC_SECRET_KEY: deriveOrgKey(SALT, ORG, 1) },
      ...{ NODE_ID: name, DATA_DIR: dataDir, HOST: '127.0.0.1', AGI_PORT: agiPort, HTTP_PORT: await freePort() },
      ...{ OPS_PORT: opsPort, DRAIN_SECONDS: 10 },
    };
    const made = machine({ name, entry: 'bot/dist/main.js', running: /the bot node is running/, settings, opsPort });
    const state = async () => (await fetch(`http://127.0.0.1:${opsPort}/state`)).json();
    return { ...made, agiPort, dataDir, toMaster, state };
  };

  const masters = [await makeMaster('master-a'), await makeMaster('master-b')] as const;
  const nodes = [await makeNode('node-1', masters[0]), await makeNode('node-2', masters[1])] as const;
  const pool = new pg.Pool({ connectionString: server.url, max: 4 });
  pool.on('error', () => {});
  const world: World = {
    masters,
    nodes,
    toRedis,
    redis,
    postgres: {
      kill: server.kill,
      restart: async () => {
        const next = addressOf(await server.restart());
        for (const { toPostgres } of masters) toPostgres.aim(next);
      },
    },
    database: dbSettings(address),
    key: (generation) => deriveOrgKey(SALT, ORG, generation),
    api: (master, method, path, body) => request(master.port, token, method, path, body),
    sql: async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await pool.query<Row>(text, [...values])).rows,
    stop: async () => {
      for (const one of [...nodes, ...masters]) await one.kill();
      await pool.end();
      for (const one of links) await one.close();
      await redis.stop();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  for (const one of masters) await one.start();
  for (const one of masters) await one.ready();
  const login = { email: 'admin@localhost', password: PASSWORD };
  token = (await world.api(masters[0], 'POST', '/api/auth/login', login)).body.access_token;
  await makeOrganization(world);
  for (const node of nodes) await node.start();
  for (const node of nodes) await node.ready();
  for (const node of nodes) await node.says(/changes come from Redis/);
  return world;
}

async function makeOrganization({ api, masters: [master] }: World): Promise<void> {
  const made = [
    await api(master, 'POST', '/api/orgs', { id: ORG, name: 'Drill' }),
    await api(master, 'POST', `/api/orgs/${ORG}/scripts`, { id: 's1', name: 'One', document: script('p0') }),
    await api(master, 'POST', `/api/orgs/${ORG}/scripts/s1/publish`, {}),
    await api(master, 'POST', `/api/orgs/${ORG}/campaigns`, { id: 'c1', name: 'One', script_id: 's1' }),
  ];
  const statuses = made.map(({ status }) => status);
  if (statuses.some((status) => status !== 201)) throw new Error(`the organization was not made: ${statuses}`);
}

async function request(port: number, token: string, method: string, path: string, body: unknown): Promise<Answer> {
  const json = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...json },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : {}, headers: response.headers };
}

interface Address {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

function addressOf(url: string): Address {
  const { hostname, port, username, password } = new URL(url);
  return { host: hostname, port: Number(port), user: username, password: password || 'unused' };
}

function dbSettings({ host, port, user, password }: Address) {
  return { DB_HOST: host, DB_PORT: port, DB_USER: user, DB_PASS: password, DB_NAME: 'postgres' };
}
