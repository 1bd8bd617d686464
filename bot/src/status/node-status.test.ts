import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeStatus } from '@voiceoi/contracts';
import { pino } from 'pino';
import { Check } from 'typebox/value';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type FakeMaster, startFakeMaster } from '../../../test/services/fake-master.ts';
import { keyOf, orderTo, ringOf } from '../../../test/services/sync-world.ts';
import type { OrgSyncStatus } from '../sync/index.ts';
import { type DrainOrders, drainOrders } from './drain-orders.ts';
import { type StatusReports, startStatusReports } from './node-status.ts';
import { statusReport } from './report.ts';
import { REPORT_RHYTHM, type ReportRhythm } from './reporter.ts';

let master: FakeMaster;
let folder: string;
const running: StatusReports[] = [];
const kept: DrainOrders[] = [];
beforeEach(async () => {
  master = await startFakeMaster();
  folder = mkdtempSync(join(tmpdir(), 'voiceoi-status-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((reports) => reports.stop()));
  await master.close();
  await Promise.all(kept.splice(0).map((drains) => drains.saved()));
  rmSync(folder, { recursive: true, force: true });
});

const identity = {
  node_id: 'n1',
  pool: 'default',
  version: '1.2.3',
  started_at: '2026-11-24T08:25:21.123Z',
  advertise_url: 'http://10.0.0.1:4580',
  advertise_agi: '10.0.0.1:4573',
};
const syncOf = (orgId: string, rest: Partial<OrgSyncStatus> = {}): OrgSyncStatus => ({
  orgId,
  epoch: 'e1',
  applied: 4,
  ageSeconds: 0.25,
  source: 'stream',
  problem: undefined,
  rejected: [],
  ...rest,
});
/** Nothing by itself within a test. */
const SLOW: ReportRhythm = { ...REPORT_RHYTHM, callsMs: 60_000, spacingMs: 1, everyMs: 60_000 };

async function start(rhythm: Partial<ReportRhythm> = {}, orgs: readonly string[] = ['abc'], keys = ringOf(...orgs)) {
  const lines: { readonly level: string; readonly msg: string }[] = [];
  const log = pino(
    { formatters: { level: (level) => ({ level }) } },
    { write: (line) => lines.push(JSON.parse(line)) },
  );
  const calls = { active: 0, capacity: 10 };
  let looks = 0;
  let reports: StatusReports | undefined;
  const drains = await drainOrders({ nodeId: 'n1', keys, path: join(folder, 'drain.json'), log }, () =>
    reports?.changed(),
  );
  kept.push(drains);
  reports = startStatusReports({
    masterUrl: master.url,
    keys,
    identity,
    drains,
    now: () => {
      looks++;
      const state = drains.drainsAll() ? ('draining' as const) : ('active' as const);
      return { calls, state, spool: { bytes: 1, dropped: 2, dead_letters: 3 } };
    },
    organizations: () => orgs.map((org) => syncOf(org)),
    log,
    rhythm: { ...SLOW, ...rhythm },
  });
  running.push(reports);
  return { reports, drains, calls, lines, looked: () => looks };
}

const told = (count: number): Promise<void> =>
  vi.waitFor(() => expect(master.statuses.length).toBeGreaterThanOrEqual(count), { timeout: 5000, interval: 5 });

describe('a node', () => {
  test('reports at once as it begins, for each organization with its key and nothing of the others', async () => {
    await start({}, ['abc', 'xyz']);
    await told(2);
    const sent = master.requests.map(({ headers, body }) => [
      headers['x-organization-secret'],
      JSON.parse(body.toString()).organizations.map(({ org_id }: { org_id: string }) => org_id),
    ]);
    expect(sent).toContainEqual([keyOf('abc').text, ['abc']]);
    expect(sent).toContainEqual([keyOf('xyz').text, ['xyz']]);
    expect(master.statuses[0]).toMatchObject({ ...identity, spool: { bytes: 1, dropped: 2, dead_letters: 3 } });
    expect(master.statuses[0]?.organizations).toMatchObject([{ epoch: 'e1', applied: 4, age_seconds: 0.3 }]);
  });

  test('reports at once with a new key when the master knew none, however long the next try was off', async () => {
    const ring = ringOf('abc');
    master.intercept = ({ headers }, response) => {
      if (headers['x-organization-secret'] === keyOf('abc', 2).text) return false;
      response.writeHead(401).end();
      return true;
    };
    await start({ retryMs: 60_000 }, ['abc'], ring);
    await vi.waitFor(() => expect(master.requests).toHaveLength(1));
    ring.replace([keyOf('abc', 2).text]);
    await told(1);
  });

  test('reports again after its time', async () => {
    await start({ everyMs: 20 });
    await told(3);
  });

  test('reports at once what is news, of one organization alone where it is of that one', async () => {
    const { reports } = await start({}, ['abc', 'xyz']);
    await told(2);
    reports.changed('xyz');
    await told(3);
    expect(master.statuses[2]?.organizations).toMatchObject([{ org_id: 'xyz' }]);
    reports.changed();
    await told(5);
  });

  test('reports another number of calls soon, and the same number not again', async () => {
    const { calls, looked } = await start({ callsMs: 10 });
    await told(1);
    calls.active = 3;
    await told(2);
    expect(master.statuses[1]).toMatchObject({ calls: { active: 3, capacity: 10 } });
    const looks = looked();
    await vi.waitFor(() => expect(looked()).toBeGreaterThan(looks + 10));
    expect(master.statuses).toHaveLength(2);
  });

  test('puts news together that come faster than the master is to be asked, and loses none', async () => {
    const { reports, calls } = await start({ spacingMs: 50 });
    await told(1);
    for (calls.active = 1; calls.active < 100; calls.active++) reports.changed();
    await told(2);
    await vi.waitFor(() => expect(master.statuses.at(-1)?.calls.active).toBe(100));
    expect(master.statuses.length).toBeLessThan(5);
  });

  test('does as it is answered, and says so at once', async () => {
    master.draining.add('abc');
    const { drains } = await start();
    await told(2);
    expect(drains.isDraining('abc')).toBe(true);
    expect(master.statuses[1]).toMatchObject({ state: 'draining', organizations: [{ state: 'draining' }] });
    master.draining.clear();
    drains.take('abc', orderTo('n1', 'active', 1));
    await told(3);
    expect(master.statuses[2]).toMatchObject({ state: 'active', organizations: [{ state: 'active' }] });
  });

  test('goes on with what it was ordered while the master is away, asks less and less often, and reports when it is back', async () => {
    await master.down();
    const { drains, reports, lines } = await start({ retryMs: 20, random: () => 0.5 });
    drains.take('abc', orderTo('n1', 'draining', 1));
    for (let times = 0; times < 50; times++) reports.changed();
    await vi.waitFor(() => expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1));
    master.draining.add('abc');
    await master.up();
    await told(1);
    expect(master.statuses[0]).toMatchObject({ state: 'draining' });
    await vi.waitFor(() => expect(lines.at(-1)?.msg).toContain('reports to the master again'));
    expect(drains.isDraining('abc')).toBe(true);
  });

  test.each([
    ['refuses', 401, '{}'],
    ['does not know the way', 404, '{}'],
    ['answers what is none', 200, 'nonsense'],
    ['answers for another organization', 200, '{"organizations":[{"org_id":"xyz","state":"draining","revision":1}]}'],
  ])('is not disturbed by a master that %s, and says so once', async (_name, code, text) => {
    let asked = 0;
    master.intercept = (_request, response) => {
      asked++;
      response.writeHead(code, { 'content-type': 'application/json' }).end(text);
      return true;
    };
    const { drains, lines } = await start({ retryMs: 2 });
    await vi.waitFor(() => expect(asked).toBeGreaterThan(3));
    expect(drains.isDraining('abc')).toBe(false);
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  test('stops at once, also while the master keeps its answer back', async () => {
    let isAsked = false;
    master.intercept = () => {
      isAsked = true;
      return true;
    };
    const { reports } = await start();
    await vi.waitFor(() => expect(isAsked).toBe(true));
    await reports.stop();
  });
});

describe('a status', () => {
  const now = {
    calls: { active: 1, capacity: 2 },
    state: 'active' as const,
    spool: { bytes: 0, dropped: 0, dead_letters: 0 },
  };

  test('fits the contract when there is no configuration yet', () => {
    const nothing = { epoch: undefined, applied: undefined, source: undefined, ageSeconds: Number.POSITIVE_INFINITY };
    const status = statusReport(identity, now, syncOf('abc', nothing), false);
    expect(Check(NodeStatus, status)).toBe(true);
    expect(status.organizations).toMatchObject([{ epoch: null, applied: null, age_seconds: null, source: null }]);
  });

  test('fits the contract whatever the rejected scripts are', () => {
    const rejected = Array.from({ length: 300 }, (_value, version) => ({
      kind: 'script' as const,
      id: 's'.repeat(200),
      version,
      code: 'C'.repeat(100),
      message: `\0${'😀'.repeat(255)}x😀`,
    }));
    const status = statusReport(identity, now, syncOf('abc', { rejected }), true);
    expect(Check(NodeStatus, status)).toBe(true);
    const [first] = status.organizations[0]?.rejected ?? [];
    expect(first?.message).not.toContain('\0');
    expect(first?.message.isWellFormed()).toBe(true);
    expect(status.organizations[0]?.rejected).toHaveLength(100);
  });
});
