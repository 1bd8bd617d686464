// npm run bench:agi — the node beside a bare responder that says the same commands, in the same run. Needs `make build` first.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleSha256, canonicalSha256, deriveOrgKey } from '@voiceoi/kernel';
import { demoScript, type ScriptDocument } from '@voiceoi/script';
import { freePort } from '../test/services/free-port.ts';

const ROOT = join(import.meta.dirname, '..');
const isQuick = process.argv.includes('--quick');
const scale = (count: number): number => (isQuick ? Math.ceil(count / 10) : count);

/** The demo's first turn and nothing behind it: four commands a call, with those that every call has. */
const firstTurn: ScriptDocument = {
  schema: 'voiceoi/script/v1',
  entry: 'welcome',
  steps: { welcome: { type: 'answer', next: 'end' }, end: { type: 'return' } },
};

const folder = mkdtempSync(join(tmpdir(), 'voiceoi-bench-'));
const children: ChildProcess[] = [];
/** Stands in for the master as a place for records alone: it takes them and reads nothing. */
const sink = createServer((request, response) => {
  request.resume();
  request.on('end', () =>
    response
      .writeHead(request.url?.startsWith('/api/sync/logs') ? 202 : 503)
      .end('{"accepted":0,"duplicates":0,"rejected":[]}'),
  );
});
await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));

try {
  await main();
} finally {
  for (const child of children) child.kill('SIGKILL');
  sink.close();
  sink.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const bare = await startBare(4);
  const bot = await startBot();
  console.log(
    `${cpus()[0]?.model}, ${cpus().length} cores; Node ${process.version}; server pinned to one core, load to the other\n`,
  );
  console.log('Calls per second, four commands a call (median of the pairs)');
  await compare('one after the other', bare, bot, { calls: scale(4000), concurrency: 1 });
  await compare('100 in parallel', bare, bot, { calls: scale(20_000), concurrency: 100 });
  console.log('\nFirst command of new calls at 200 a second, while others are open');
  for (const held of [1, 100, 1000]) await latency(held, bare, bot);
  console.log('\nCalls held open, by a node that was just started');
  stopNow(bot);
  await memory(await startBot(), scale(5000));
}

interface Server {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
}

interface Load {
  readonly calls_per_second: number;
  readonly first_command_ms: { readonly p50: number; readonly p99: number };
  readonly failures: number;
}

async function compare(
  name: string,
  bare: Server,
  bot: Server,
  plan: { readonly calls: number; readonly concurrency: number },
): Promise<void> {
  const pairs: { readonly bare: number; readonly bot: number; readonly bareCpu: number; readonly botCpu: number }[] =
    [];
  for (const server of [bare, bot]) await measured(server, plan);
  for (let round = 0; round < (isQuick ? 2 : 5); round++) {
    const a = await measured(bare, plan);
    const b = await measured(bot, plan);
    pairs.push({ bare: a.rate, bot: b.rate, bareCpu: a.cpuMs, botCpu: b.cpuMs });
  }
  const middle = (pick: (pair: (typeof pairs)[number]) => number): number =>
    pairs.map(pick).sort((x, y) => x - y)[Math.floor(pairs.length / 2)] ?? 0;
  const [rateA, rateB] = [middle((pair) => pair.bare), middle((pair) => pair.bot)];
  console.log(
    `  ${name.padEnd(20)} bare ${rateA.toFixed(0).padStart(6)}/s ${middle((pair) => pair.bareCpu).toFixed(3)} ms CPU   node ${rateB.toFixed(0).padStart(6)}/s ${middle((pair) => pair.botCpu).toFixed(3)} ms CPU   ratio ${(middle((pair) => pair.bot / pair.bare) * 100).toFixed(0)} %`,
  );
}

async function measured(
  server: Server,
  plan: { readonly calls: number; readonly concurrency: number },
): Promise<{ readonly rate: number; readonly cpuMs: number }> {
  const before = cpuMs(server.pid);
  const load = await runLoad({ kind: 'closed', port: server.port, campaign: 'first', held: 0, perSecond: 0, ...plan });
  if (load.failures > 0) throw new Error(`${load.failures} calls of ${server.name} failed`);
  return { rate: load.calls_per_second, cpuMs: (cpuMs(server.pid) - before) / plan.calls };
}

async function latency(held: number, bare: Server, bot: Server): Promise<void> {
  const plan = { kind: 'open', campaign: 'first', calls: scale(2000), concurrency: 0, held, perSecond: 200 };
  const show = ({ first_command_ms: { p50, p99 } }: Load): string => `p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)} ms`;
  const a = await runLoad({ ...plan, port: bare.port });
  const b = await runLoad({ ...plan, port: bot.port });
  console.log(
    `  ${`${held} open`.padEnd(20)} bare ${show(a)}   node ${show(b)}${b.failures ? `   ${b.failures} FAILED` : ''}`,
  );
}

async function memory(bot: Server, held: number): Promise<void> {
  const before = rssMiB(bot.pid);
  const plan = { kind: 'hold', port: bot.port, campaign: 'demo', calls: 0, concurrency: 0, held, perSecond: 0 };
  const child = spawn(process.execPath, ['--conditions=source', 'bench/agi-load.ts', JSON.stringify(plan)], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = await new Promise<string[]>((resolve) =>
    child.stdout?.once('data', (chunk) => resolve(String(chunk).split('\n'))),
  );
  console.log(
    `  ${String(held).padEnd(20)} node ${rssMiB(bot.pid).toFixed(0)} MiB resident (${before.toFixed(0)} before)   ${line}`,
  );
  child.stdin?.write('\n');
  await new Promise((resolve) => child.once('exit', resolve));
}

/** Runs the load on the second core, the servers have the first. */
function runLoad(plan: object): Promise<Load> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      ...pinned(1, [process.execPath, '--conditions=source', 'bench/agi-load.ts', JSON.stringify(plan)]),
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.push(child);
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    child.once('exit', () => (text ? resolve(JSON.parse(text)) : reject(new Error('the load generator said nothing'))));
  });
}

async function startBare(commands: number): Promise<Server> {
  const port = await freePort();
  return start(
    'bare responder',
    port,
    [process.execPath, 'bench/bare-responder.ts', String(port), String(commands)],
    /listening/,
  );
}

async function startBot(): Promise<Server> {
  const port = await freePort();
  const bootstrap = join(folder, 'bundle.json');
  writeFileSync(bootstrap, JSON.stringify(bundle()));
  const address = sink.address();
  const settings = {
    ...{
      SYNC_MASTER_URL: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
      SYNC_SECRET_KEY: deriveOrgKey('x'.repeat(32), 'abc', 1),
    },
    ...{
      BOOTSTRAP_FILE: bootstrap,
      DATA_DIR: mkdtempSync(join(folder, 'data-')),
      HOST: '127.0.0.1',
      AGI_PORT: port,
      OPS_PORT: await freePort(),
      HTTP_PORT: await freePort(),
    },
    ...{ MAX_CALLS: 20_000, LOG_LEVEL: 'info' },
  };
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return start('node', port, [process.execPath, 'bot/dist/main.js', ...words], /configuration applied/);
}

function stopNow({ pid }: Server): void {
  process.kill(pid, 'SIGKILL');
}

function start(name: string, port: number, command: readonly string[], ready: RegExp): Promise<Server> {
  const child = spawn(...pinned(0, command), { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      if (ready.test(text)) resolve({ name, port, pid: child.pid ?? 0 });
    });
    child.once('exit', (code) => reject(new Error(`the ${name} ended with ${code}: ${text}`)));
  });
}

/** `taskset` replaces itself by the command, so that the process id stays the server's. */
function pinned(core: number, command: readonly string[]): [string, string[]] {
  return process.platform === 'linux' && cpus().length > 1
    ? ['taskset', ['-c', String(core), ...command]]
    : [command[0] ?? '', command.slice(1)];
}

function bundle(): object {
  const script = (id: string, document: ScriptDocument) => ({
    id,
    version: 1,
    document: { ...document },
    sha256: canonicalSha256(document),
  });
  const campaign = (id: string, script_id: string) => ({
    id,
    name: id,
    status: 'active' as const,
    script_id,
    version: 1,
    variables: {},
    lead_variables: [],
    updated_at: '2026-01-01T00:00:00.000Z',
  });
  const content = {
    org_id: 'abc',
    epoch: 'bench',
    revision: 1,
    settings: {},
    campaigns: [campaign('demo', 'demo'), campaign('first', 'first')],
    scripts: [script('demo', demoScript), script('first', firstTurn)],
  };
  return {
    schema: 1,
    ...content,
    sha256: bundleSha256(content),
    generated_at: '2026-01-01T00:00:00.000Z',
    secrets: [],
    bus: { kind: 'stream' },
  };
}

/** Processor time of a process so far, user and system (proc(5), fields 14 and 15, in ticks of 10 ms). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function rssMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
