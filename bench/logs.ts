// npm run bench:logs — records that a master stores, beside bare inserts into the same tables of the same server, in the same run. Needs `make build` first.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { deriveOrgKey } from '@voiceoi/kernel';
import pg from 'pg';
import { freePort } from '../test/services/free-port.ts';
import { startPostgresServer } from '../test/services/postgres.ts';
import { bareInserts } from './logs-floor.ts';
import { type Batch, makeBatch, ORG } from './logs-records.ts';
import { sendAtRate, sendSteadily, type Target } from './logs-senders.ts';

const isQuick = process.argv.includes('--quick');
const NODES = 20;
const BATCH = 500;
const BATCHES = isQuick ? 40 : 120;
const ROUNDS = isQuick ? 1 : 3;
const OVERLOAD_BATCHES = isQuick ? 300 : 800;
const SALT = 'x'.repeat(32);
const PASSWORD = 'correct horse battery';

const postgres = await startPostgresServer({ durable: true });
const children: ChildProcess[] = [];
try {
  await main();
} finally {
  for (const child of children) child.kill('SIGKILL');
  await postgres.stop();
}

async function main(): Promise<void> {
  const [floor, real] = [await createDatabase('floor'), await createDatabase('master')];
  const migrating = await startMaster('floor');
  await makeOrganization(migrating.port);
  migrating.child.kill('SIGTERM');
  const master = await startMaster('master');
  await makeOrganization(master.port);
  const target = { port: master.port, key: deriveOrgKey(SALT, ORG, 1) };
  const memory = watchMemory(master.child.pid ?? 0);
  console.log(
    `${cpus()[0]?.model}, ${cpus().length} cores; Node ${process.version}; fsync on; ${NODES} nodes, batches of ${BATCH} records in gzip`,
  );
  const rate = await steady(floor, target, master.child.pid ?? 0);
  console.log(`  memory of the master  ${memory.tell()}`);
  await overload(real, target, rate);
  console.log(`  memory of the master  ${memory.tell()}`);
  memory.stop();
}

async function steady(floor: string, target: Target, pid: number): Promise<number> {
  const rates: { readonly one: number; readonly four: number; readonly master: number; readonly cpu: number }[] = [];
  await sendSteadily(target, packedOf(makeBatches(NODES)), NODES);
  await bareInserts(floor, makeBatches(NODES), 1);
  for (let round = 0; round < ROUNDS; round++) {
    const one = rateOf(await settled(() => bareInserts(floor, makeBatches(BATCHES), 1)));
    const four = rateOf(await settled(() => bareInserts(floor, makeBatches(BATCHES), 4)));
    const packed = packedOf(makeBatches(BATCHES));
    const before = cpuMs(pid);
    const seconds = await settled(() => sendSteadily(target, packed, NODES));
    rates.push({ one, four, master: rateOf(seconds), cpu: (cpuMs(pid) - before) / (seconds * 1000) });
  }
  const middle = (pick: (rate: (typeof rates)[number]) => number): number =>
    rates.map(pick).sort((a, b) => a - b)[Math.floor(rates.length / 2)] ?? 0;
  const [one, four, master] = [middle((r) => r.one), middle((r) => r.four), middle((r) => r.master)];
  console.log(
    `\nRecords per second, ${BATCHES * BATCH} a round\n  bare inserts          ${one.toFixed(0)} over one connection, ${four.toFixed(0)} over four`,
  );
  console.log(
    `  master                ${master.toFixed(0)}: ${((master / Math.max(one, four)) * 100).toFixed(0)} % of the better`,
  );
  const cpu = middle((r) => r.cpu);
  console.log(
    `  its processor time    ${(cpu * 100).toFixed(0)} % of a core, ${((cpu / master) * 1e6).toFixed(1)} µs a record`,
  );
  return master;
}

/** Twice of what it can take, every tenth batch twice as if its answer had been lost: in the end, each record once. */
async function overload(database: string, target: Target, rate: number): Promise<void> {
  const before = await countRecords(database);
  const batches = packedOf(makeBatches(OVERLOAD_BATCHES));
  const offered = batches.flatMap((packed, index) => (index % 10 === 0 ? [packed, packed] : [packed]));
  const { refused, offeredSeconds, seconds } = await sendAtRate(target, offered, (2 * rate) / BATCH);
  const stored = (await countRecords(database)) - before;
  const expected = OVERLOAD_BATCHES * BATCH;
  console.log(
    `\nOverload: ${offered.length} batches offered in ${offeredSeconds.toFixed(1)} s, all answered after ${seconds.toFixed(1)} s`,
  );
  console.log(`  told to come again    ${refused} times`);
  console.log(
    `  stored                ${stored} of ${expected} records${stored === expected ? ', each once' : ': WRONG'}`,
  );
  if (stored !== expected) process.exitCode = 1;
}

function makeBatches(count: number): readonly Batch[] {
  return Array.from({ length: count }, (_value, index) => makeBatch(`node-${index % NODES}`, BATCH));
}

function packedOf(batches: readonly Batch[]): readonly Buffer[] {
  return batches.map(({ packed }) => packed);
}

function rateOf(seconds: number): number {
  return (BATCHES * BATCH) / seconds;
}

/** What the one before has left to be written is not the next one's to pay. */
async function settled<T>(measure: () => Promise<T>): Promise<T> {
  await sql(postgres.url, 'CHECKPOINT');
  return measure();
}

async function countRecords(url: string): Promise<number> {
  const tables = ['call_record', 'call_event', 'activity_record'];
  const rows = await sql(url, `SELECT ${tables.map((table) => `(SELECT count(*) FROM ${table})`).join(' + ')} AS n`);
  return Number(rows[0]?.n);
}

async function createDatabase(name: string): Promise<string> {
  await sql(postgres.url, `CREATE DATABASE ${name}`);
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  return url.toString();
}

async function sql(url: string, text: string): Promise<readonly { readonly n?: unknown }[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ n?: unknown }>(text);
  await client.end();
  return rows;
}

async function startMaster(database: string): Promise<{ readonly port: number; readonly child: ChildProcess }> {
  const { hostname, port: databasePort, username, password } = new URL(postgres.url);
  const port = await freePort();
  const settings = {
    ...{ DB_HOST: hostname, DB_PORT: databasePort, DB_USER: username, DB_NAME: database },
    ...(password && { DB_PASS: password }),
    ...{ JWT_SECRET: SALT, SYNC_SECRET_SALT: SALT, ADMIN_PASSWORD: PASSWORD },
    ...{ HOST: '127.0.0.1', PORT: port, OPS_PORT: await freePort() },
  };
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const child = spawn(process.execPath, ['master/dist/main.js', ...words], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      if (/the master is running/.test(text)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`the master ended with ${code}: ${text}`)));
  });
  return { port, child };
}

async function makeOrganization(port: number): Promise<void> {
  const send = async (path: string, body: object, token = ''): Promise<string> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const url = `http://127.0.0.1:${port}${path}`;
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.text();
  };
  const login = await send('/api/auth/login', { email: 'admin@localhost', password: PASSWORD });
  const token = /"access_token":"([^"]+)"/.exec(login)?.[1];
  await send('/api/orgs', { id: ORG, name: 'Bench' }, token);
}

/** Processor time of a process so far, of all its threads (proc(5), fields 14 and 15, in ticks of 10 ms). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Resident memory of a process, looked at ten times a second. */
function watchMemory(pid: number): { tell(): string; stop(): void } {
  const look = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  const start = look();
  let peak = start;
  const timer = setInterval(() => {
    peak = Math.max(peak, look());
  }, 100);
  return {
    tell: () => `${start.toFixed(0)} MiB at the start, ${peak.toFixed(0)} at most, ${look().toFixed(0)} now`,
    stop: () => clearInterval(timer),
  };
}
