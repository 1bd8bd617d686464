import { startFleet } from './sync-fleet.ts';
import { type Master, makeOrganization, type World } from './sync-world.ts';

/** A bundle of 1,000 scripts and as many campaigns: what it costs the master and a node. */
export async function bundleFigures(world: World, master: Master, isQuick: boolean): Promise<void> {
  const size = isQuick ? 100 : 1000;
  const rounds = isQuick ? 3 : 7;
  const key = await makeOrganization(world, master, 'big', size);
  const change = () => master.api('PATCH', '/api/orgs/big/campaigns/c0', { name: `Change ${performance.now()}` });
  await change();
  const get = (query = '', headers = {}) =>
    fetchOf(`${master.url}/api/sync/campaigns?org_id=big${query}`, key, headers);
  const whole = await get('', { 'accept-encoding': 'identity' });
  console.log(`Bundle of ${size} scripts and ${size} campaigns: ${mib(whole.bytes)} MiB`);

  const first: number[] = [];
  const again: number[] = [];
  const cold: number[] = [];
  const warm: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await change();
    first.push(await cost(master, () => get()));
    again.push(await cost(master, () => get()));
    await change();
    cold.push(await coldStart(master, key));
    warm.push(await coldStart(master, key));
  }
  row('cold start of a node, the first after a change', 'ms', cold);
  row('cold start of a node, the bundle is prepared', 'ms', warm);
  row('master, whole bundle, the first after a change', 'ms CPU', first);
  row('master, whole bundle, prepared', 'ms CPU', again);

  const now = await get();
  const tag = { 'if-none-match': now.etag ?? '' };
  row('master, 304', 'ms CPU', await repeated(master, rounds, isQuick ? 50 : 300, () => get('', tag), 304));
  const { epoch, revision: at } = JSON.parse(now.text);
  const since = (behind: number) => get(`&since=${at - behind}&epoch=${encodeURIComponent(epoch)}`);
  row('master, nothing new since', 'ms CPU', await repeated(master, rounds, isQuick ? 50 : 300, () => since(0), 200));
  row('master, delta of one change', 'ms CPU', await repeated(master, rounds, isQuick ? 50 : 300, () => since(1), 200));
  await applied(world, master, key, change, rounds * 3);
}

/** A node with a disk, as a bot is, takes up changes one at a time. */
async function applied(
  world: World,
  master: Master,
  key: string,
  change: () => Promise<unknown>,
  count: number,
): Promise<void> {
  const node = await startFleet({ kind: 'node', nodes: 1, masterUrl: master.url, key, disk: true });
  let { revision } = await master.api('GET', '/api/orgs/big');
  const lag: number[] = [];
  const before = await node.used();
  const masterBefore = master.cpuMs();
  for (let index = 0; index < count; index++) {
    await change();
    revision = Number(revision) + 1;
    const at = await node.reached(Number(revision));
    const sql =
      'SELECT extract(epoch FROM committed_at)::float8 * 1000 AS at FROM change_log WHERE org_id = $1 AND revision = $2';
    lag.push(at - Number((await world.database.query(sql, ['big', revision])).rows[0]?.at));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const after = await node.used();
  node.stop();
  row('node, message → playable', 'ms', after.applyMs);
  row('committed → applied on one node', 'ms', lag);
  console.log(
    `  ${'CPU a change, with the disk'.padEnd(48)} node ${((after.cpuMs - before.cpuMs) / count).toFixed(2)} ms, master ${((master.cpuMs() - masterBefore) / count).toFixed(2)} ms\n`,
  );
}

async function coldStart(master: Master, key: string): Promise<number> {
  const node = await startFleet({ kind: 'node', nodes: 1, masterUrl: master.url, key });
  node.stop();
  return node.startMs;
}

async function fetchOf(url: string, key: string, headers: object) {
  const response = await fetch(url, { headers: { 'x-organization-secret': key, ...headers } });
  const text = await response.text();
  return { status: response.status, etag: response.headers.get('etag'), text, bytes: text.length };
}

async function cost(master: Master, act: () => Promise<unknown>): Promise<number> {
  const before = master.cpuMs();
  await act();
  return master.cpuMs() - before;
}

/** Processor time of one of many, in each round. */
async function repeated(
  master: Master,
  rounds: number,
  count: number,
  act: () => Promise<{ readonly status: number }>,
  status: number,
): Promise<readonly number[]> {
  const costs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const all = await cost(master, async () => {
      for (let index = 0; index < count; index++)
        if ((await act()).status !== status) throw new Error(`another answer than ${status}`);
    });
    costs.push(all / count);
  }
  return costs;
}

function row(what: string, unit: string, values: readonly number[]): void {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): string => (sorted.at(index) ?? Number.NaN).toFixed(2);
  console.log(`  ${what.padEnd(48)} ${at(Math.floor(sorted.length / 2))} ${unit} (${at(0)} … ${at(-1)})`);
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(2);
}
