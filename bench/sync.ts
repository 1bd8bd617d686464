// npm run bench:sync — change committed → on the last of the nodes, over Redis and over HTTP streams, beside a bare PUBLISH in the same run; then a bundle of 1,000 scripts. Needs `make build` first.
// Words choose parts: `redis`, `streams`, `bundle`; `--quick` is a tenth.
import { cpus } from 'node:os';
import { bundleFigures } from './sync-bundle.ts';
import { type Fleet, startFleet } from './sync-fleet.ts';
import { type Master, makeOrganization, startMaster, startWorld, type World } from './sync-world.ts';

const isQuick = process.argv.includes('--quick');
const parts = ['redis', 'streams', 'bundle'].filter((part) => process.argv.includes(part));
const has = (part: string): boolean => parts.length === 0 || parts.includes(part);
const ROUNDS = isQuick ? 1 : 3;
const CHANGES = isQuick ? 25 : 80;
const BURSTS = isQuick ? 2 : 5;
const NODES = 200;
const PROCESSES = 4;
const GAP_MS = 20;
/** Makes each new name another one. */
let sequence = 0;
const sequences = new WeakMap<Fleet, { at: number }>();

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
} finally {
  await world.stop();
}

async function withMaster(withRedis: boolean, work: (master: Master) => Promise<void>): Promise<void> {
  const master = await startMaster(world, withRedis);
  await work(master).finally(master.stop);
}

interface Times {
  /** From the commit, or the PUBLISH, to the last node. */
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
    const floor = await startFleet(
      { kind: 'bare', nodes, port: world.redis.port, channel: `bench:${how}:${org}` },
      processes,
    );
    const fleet = await startFleet({ kind: 'node', nodes, masterUrl: master.url, key }, processes);
    const said = { last: [], answered: [], burst: [] };
    const done = { last: [], answered: [], burst: [] };
    const size = await changed(master, org, fleet, 20, { last: [], answered: [], burst: [] });
    await published(`bench:${how}:${org}`, floor, 20, size, []);
    const cpu = { nodes: 0, master: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      await published(`bench:${how}:${org}`, floor, CHANGES, size, said.last);
      const before = [(await fleet.used()).cpuMs, master.cpuMs()] as const;
      await changed(master, org, fleet, CHANGES, done);
      cpu.nodes += (await fleet.used()).cpuMs - before[0];
      cpu.master += master.cpuMs() - before[1];
      await burst(master, org, fleet, done);
    }
    floor.stop();
    fleet.stop();
    report(nodes, said, done, {
      size,
      nodes: cpu.nodes / nodes / CHANGES / ROUNDS,
      master: cpu.master / CHANGES / ROUNDS,
    });
  }
}

function report(
  nodes: number,
  floor: Times,
  { last, answered, burst: bursts }: Times,
  cpu: { readonly size: number; readonly nodes: number; readonly master: number },
): void {
  const name = `${nodes} node${nodes === 1 ? '' : 's'}`;
  console.log(`  ${name.padEnd(10)} bare PUBLISH of ${cpu.size} bytes   ${show(floor.last)}`);
  console.log(
    `  ${''.padEnd(10)} committed → last node        ${show(last)}   ratio p50 ${ratio(last, floor.last, 0.5)} p99 ${ratio(last, floor.last, 0.99)}`,
  );
  console.log(`  ${''.padEnd(10)} API answered → last node     ${show(answered)}`);
  console.log(`  ${''.padEnd(10)} ten at a time, committed →   ${show(bursts)}`);
  console.log(
    `  ${''.padEnd(10)} CPU a change                 master ${cpu.master.toFixed(2)}, a node ${cpu.nodes.toFixed(3)}\n`,
  );
}

/** Says a message to bare subscribers, one at a time. */
async function published(channel: string, floor: Fleet, count: number, size: number, times: number[]): Promise<void> {
  const client = world.redis.client();
  await client.ping();
  for (let index = 0; index < count; index++) {
    const text = `${++sequenceOf(floor).at} `.padEnd(size, 'x');
    const at = performance.timeOrigin + performance.now();
    client.publish(channel, text).catch(() => {});
    times.push((await floor.reached(sequenceOf(floor).at)) - at);
    await pause();
  }
  client.disconnect();
}

function sequenceOf(floor: Fleet): { at: number } {
  const known = sequences.get(floor) ?? { at: 0 };
  sequences.set(floor, known);
  return known;
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

function ratio(values: readonly number[], floor: readonly number[], share: number): string {
  return (quantile(values, share) / quantile(floor, share)).toFixed(1);
}
