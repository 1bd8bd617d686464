import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalSha256 } from '@voiceoi/kernel';
import { demoScript } from '@voiceoi/script';
import pg from 'pg';
import { freePort } from '../test/services/free-port.ts';
import { startPostgresServer } from '../test/services/postgres.ts';
import { type RedisService, startRedis } from '../test/services/redis.ts';

/** A real Postgres whose commits wait for the disk, and a real Redis. */
export interface World {
  readonly database: pg.Client;
  readonly url: URL;
  readonly redis: RedisService;
  stop(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const server = await startPostgresServer({ durable: true });
  const database = new pg.Client({ connectionString: server.url });
  await database.connect();
  const redis = await startRedis();
  return {
    database,
    url: new URL(server.url),
    redis,
    stop: async () => {
      await redis.stop();
      await database.end();
      await server.stop();
    },
  };
}

/** A master in a process of its own. */
export interface Master {
  readonly url: string;
  /** Calls the API as the administrator. @throws when it refuses */
  api(method: string, path: string, body?: object): Promise<{ readonly [name: string]: unknown }>;
  /** Processor time of all of its threads so far. */
  cpuMs(): number;
  stop(): Promise<void>;
}

const PASSWORD = 'correct horse battery';

/** `withRedis` false: nodes follow its HTTP stream. `flags` are Node's. */
export async function startMaster(world: World, withRedis: boolean, flags: readonly string[] = []): Promise<Master> {
  const { url: postgres, redis } = world;
  const port = await freePort();
  const settings = {
    ...{ DB_HOST: postgres.hostname, DB_PORT: postgres.port, DB_USER: postgres.username, DB_NAME: 'postgres' },
    ...{ DB_PASS: postgres.password || 'unused', ...(withRedis && { REDIS_HOST: redis.host, REDIS_PORT: redis.port }) },
    ...{ JWT_SECRET: 'j'.repeat(40), SYNC_SECRET_SALT: 's'.repeat(40), ADMIN_PASSWORD: PASSWORD, LOG_LEVEL: 'info' },
    ...{ HOST: '127.0.0.1', PORT: port, OPS_PORT: await freePort() },
  };
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const child = spawn(process.execPath, [...flags, 'master/dist/main.js', ...words], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await untilRunning(child);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    api: await signIn(url),
    cpuMs: () => cpuMs(child.pid ?? 0),
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
    },
  };
}

function untilRunning(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      if (/the master is running/.test(text)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`the master ended with ${code}: ${text}`)));
  });
}

async function signIn(url: string): Promise<Master['api']> {
  const call = async (method: string, path: string, headers: object, body: object | undefined) => {
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    const payload = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(url + path, { method, headers: { ...json, ...headers }, ...payload });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return JSON.parse(await response.text());
  };
  const { access_token: token } = await call(
    'POST',
    '/api/auth/login',
    {},
    { email: 'admin@localhost', password: PASSWORD },
  );
  return (method, path, body) => call(method, path, { authorization: `Bearer ${token}` }, body);
}

/** An organization with so many scripts of about 5 KB and as many campaigns; answers its key. Straight into the database: by the API it would take minutes. */
export async function makeOrganization(world: World, master: Master, id: string, size: number): Promise<string> {
  await master.api('POST', '/api/orgs', { id, name: id });
  const documents = Array.from({ length: size }, (_, index) => scriptOf(index));
  const rows = [documents.map((_, index) => `s${index}`), documents.map((one) => JSON.stringify(one))];
  const { database } = world;
  await database.query(
    `INSERT INTO script (org_id, id, name, latest_version) SELECT $1, s, s, 1 FROM unnest($2::text[]) s`,
    [id, rows[0]],
  );
  await database.query(
    `INSERT INTO script_version (org_id, script_id, version, document, sha256, published_by)
     SELECT $1, s, 1, d::jsonb, h, 'bench' FROM unnest($2::text[], $3::text[], $4::text[]) AS t (s, d, h)`,
    [id, ...rows, documents.map(canonicalSha256)],
  );
  const variables = { company: 'Acme', greeting: 'hello-world', tries: 3 };
  await database.query(
    `INSERT INTO campaign (org_id, id, name, script_id, variables, lead_variables)
     SELECT $1, 'c' || substr(s, 2), 'Campaign ' || s, s, $3, '["first_name","last_name"]' FROM unnest($2::text[]) s`,
    [id, rows[0], JSON.stringify(variables)],
  );
  await database.query('ANALYZE');
  const { items } = await master.api('GET', `/api/orgs/${id}/keys`);
  return Array.isArray(items) ? String(items[0].key) : '';
}

/** The demo with prompts behind it, up to 4.9 KB. */
function scriptOf(index: number): object {
  const steps: { [name: string]: object } = { ...demoScript.steps };
  const size = (): number => JSON.stringify(steps).length;
  for (let more = 0; size() < 4700; more++)
    steps[`more_${more}`] = { type: 'play', prompts: [`custom/${index}-${more}`, 'beep'], next: `more_${more + 1}` };
  const last = Object.keys(steps).length;
  const end =
    Object.keys(steps)
      .at(-1)
      ?.replace(/\d+$/, (digits) => String(Number(digits) + 1)) ?? `more_${last}`;
  return { ...demoScript, note: `Number ${index}`, steps: { ...steps, [end]: { type: 'return', disposition: 'OK' } } };
}

/** Nanoseconds on a processor, by thread (/proc/<pid>/task/<tid>/schedstat): ticks of 10 ms would not show a 304. */
function cpuMs(pid: number): number {
  const folder = `/proc/${pid}/task`;
  const times = readdirSync(folder).map((thread) =>
    Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return times.reduce((sum, time) => sum + time, 0) / 1e6;
}
