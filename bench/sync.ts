// npm run bench:sync — change committed → on the last of the nodes, over Redis and over HTTP streams, beside a bare PUBLISH in the same run; then a bundle of 1,000 scripts. Needs `make build` first.
// Words choose parts: `redis`, `streams`, `bundle`; `--quick` is a tenth.
import { cpus, loadavg } from 'node:os';
import { bundleFigures } from './sync-bundle.ts';
import { type Fleet, startFleet } from './sync-fleet.ts';
import { type Master, makeOrganization, startMaster, startWorld, type World } from './sync-world.ts';

const isQuick = process.argv.includes('--quick');
const parts = ['redis', 'streams', 'bundle'].filter((part) => process.argv.includes(part));
const has = (part: string): boolean => parts.length === 0 || parts.includes(part);
const ROUNDS = isQuick ? 1 : 3;
const CHANGES = isQuick ? 25 : 70;
const BURSTS = isQuick ? 2 : 5;
const NODES = 200;
const PROCESSES = 4;
const WARM_UP = 20;
const GAP_MS = 20;
/** Makes each new name another one. */
let sequence = 0;

const loadBefore = load();
const world = await startWorld();
try {
  console.log(
    `${cpus()[0]?.model}, ${cpus().length} cores; Node ${process.version}; Postgres with fsync, all on this machine\n`,
  );
  const keys = new Map<string, string>();
  await withMaster(true, async (master) => {
    for (const org of ['one', 'many']) keys.set(org, await makeOrganization(world, master, org, 10));
    if (has('redis')) await propagation('over Redis', master, keys);
    if (has('bundle')) await bundleFigures(world, master, isQuick);
  });
  if (has('streams')) await withMaster(false, (master) => propagation('over HTTP streams', master, keys));
  console.log(`Load of the machine: ${loadBefore} before, ${load()} after`);
} finally {
  await world.stop();
}

async function withMaster(withRedis: boolean, work: (master: Master) => Promise<void>): Promise<void> {
  const master = await startMaster(world, withRedis);
  await work(master).finally(master.stop);
}

interface Times {
  /** From the PUBLISH to the last bare subscriber. */
  readonly floor: number[];
  /** From the commit to the last node. */
  readonly last: number[];
  /** From the API's answer to the last node; below 0: the node was there first. */
  readonly answered: number[];
  /** From the commit, of changes that came ten at a time. */
  readonly burst: number[];
}

/** Floor and nodes take turns, so that what else the machine does meets both. */
async function propagation(how: string, master: Master, keys: ReadonlyMap<string, string>): Promise<void> {
  console.log(`Change committed → applied on the last node, ${how} (ms)`);
  for (const [org, key] of keys) {
    const nodes = org === 'one' ? 1 : NODES;
    const processes = org === 'one' ? 1 : PROCESSES;
    const channel = `bench:${how}:${org}`;
    const floor = await startFleet({ kind: 'bare', nodes, port: world.redis.port, channel }, processes);
    const fleet = await startFleet({ kind: 'node', nodes, masterUrl: master.url, key }, processes);
    const done: Times = { floor: [], last: [], answered: [], burst: [] };
    const size = await changed(master, org, fleet, WARM_UP, { floor: [], last: [], answered: [], burst: [] });
    await published(channel, floor, 1, size);
    const cpu = { nodes: 0, master: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      done.floor.push(...(await published(channel, floor, WARM_UP + 1 + round * CHANGES, size)));
      const before = { nodes: (await fleet.used()).cpuMs, master: master.cpuMs() };
      await changed(master, org, fleet, CHANGES, done);
      cpu.nodes += (await fleet.used()).cpuMs - before.nodes;
      cpu.master += master.cpuMs() - before.master;
      await burst(master, org, fleet, done);
    }
    floor.stop();
    fleet.stop();
    const changes = CHANGES * ROUNDS;
    report(nodes, size, done, { nodes: cpu.nodes / nodes / changes, master: cpu.master / changes });
  }
}

function report(
  nodes: number,
  size: number,
  { floor, last, answered, burst: bursts }: Times,
  cpu: { readonly nodes: number; readonly master: number },
): void {
  const row = (what: string, rest: string): void => console.log(`  ${what.padEnd(36)} ${rest}`);
  const ratios = [0.5, 0.99].map((share) => (quantile(last, share) / quantile(floor, share)).toFixed(1));
  console.log(nodes === 1 ? ' 1 node' : ` the last of ${nodes} nodes`);
  row(`bare PUBLISH of about ${size} bytes`, show(floor));
  row('committed → applied', `${show(last)}   ${ratios.join(' and ')} times the floor`);
  row('API answered → applied', show(answered));
  row('ten at a time, committed → applied', show(bursts));
  row('CPU a change', `master ${cpu.master.toFixed(2)}, a node ${cpu.nodes.toFixed(3)}\n`);
}

/** Says numbered messages to bare subscribers, one at a time. */
async function published(channel: string, floor: Fleet, first: number, size: number): Promise<readonly number[]> {
  const client = world.redis.client();
  await client.ping();
  const times: number[] = [];
  for (let number = first; number < first + (first === 1 ? WARM_UP : CHANGES); number++) {
    const at = performance.timeOrigin + performance.now();
    client.publish(channel, `${number} `.padEnd(size, 'x')).catch(() => {});
    times.push((await floor.reached(number)) - at);
    await pause();
  }
  client.disconnect();
  return times;
}

/** Changes a campaign's name so many times, each once the last node has the one before; answers the length of a change. */
async function changed(master: Master, org: string, fleet: Fleet, count: number, times: Times): Promise<number> {
  const begun = await revisionOf(master, org);
  const answers: number[] = [];
  const arrivals: number[] = [];
  for (let index = 1; index <= count; index++) {
    await rename(master, org, 0);
    answers.push(performance.timeOrigin + performance.now());
    arrivals.push(await fleet.reached(begun + index));
    await pause();
  }
  const commits = await committed(world, org, begun);
  arrivals.forEach((at, index) => {
    times.last.push(at - (commits[index]?.at ?? Number.NaN));
    times.answered.push(at - (answers[index] ?? Number.NaN));
  });
  return commits.at(-1)?.size ?? 0;
}

async function burst(master: Master, org: string, fleet: Fleet, times: Times): Promise<void> {
  for (let index = 0; index < BURSTS; index++) {
    const begun = await revisionOf(master, org);
    await Promise.all(Array.from({ length: 10 }, (_, campaign) => rename(master, org, campaign)));
    await fleet.reached(begun + 10);
    const commits = await committed(world, org, begun);
    for (const [offset, { at }] of commits.entries()) times.burst.push((await fleet.reached(begun + offset + 1)) - at);
    await pause();
  }
}

async function rename(master: Master, org: string, campaign: number): Promise<void> {
  await master.api('PATCH', `/api/orgs/${org}/campaigns/c${campaign}`, { name: `Change ${++sequence}` });
}

async function revisionOf(master: Master, org: string): Promise<number> {
  return Number((await master.api('GET', `/api/orgs/${org}`))['revision']);
}

/** When revisions behind one were written to the change log, just before their commit, and about how long their messages are. */
async function committed({ database }: World, org: string, after: number) {
  const sql = `SELECT extract(epoch FROM committed_at)::float8 * 1000 AS at, length(changes::text) + 420 AS size
    FROM change_log WHERE org_id = $1 AND revision > $2 ORDER BY revision`;
  return (await database.query<{ at: number; size: number }>(sql, [org, after])).rows;
}

/** What others do on the machine shows in it. */
function load(): string {
  return loadavg()[0]?.toFixed(1) ?? '';
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, GAP_MS));
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
}

function show(values: readonly number[]): string {
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(values, share).toFixed(2).padStart(7));
  return `p50 ${p50}  p99 ${p99}  max ${max}`;
}
