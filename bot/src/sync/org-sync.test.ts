import { createMetrics, openRedis, sealSecret } from '@voiceoi/kernel';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type FakeMaster, startFakeMaster } from '../../../test/services/fake-master.ts';
import {
  bundleOf,
  campaignEntry,
  changeTo,
  contentOf,
  keyOf,
  playing,
  ringOf,
  scriptEntry,
} from '../../../test/services/sync-world.ts';
import { createKeyRing, type KeyRing } from '../keys/index.ts';
import type { BundleStore } from './bundle-store.ts';
import { type Configuration, type RunningConfiguration as Started, startConfiguration } from './configuration.ts';
import { RHYTHM } from './follow.ts';
import { memoryStore } from './memory-store.ts';

const one = contentOf(1, { campaigns: [campaignEntry('123', 's', 1)], scripts: [scriptEntry('s', 1)] });
const next = (from: typeof one, campaign: ReturnType<typeof campaignEntry>) => {
  const to = { ...from, revision: from.revision + 1, campaigns: [campaign] };
  return { to, change: changeTo(from, to, [{ op: 'put', kind: 'campaign', id: campaign.id, object: campaign }]) };
};
const paused = next(one, campaignEntry('123', 's', 1, { status: 'paused' }));
/** Everything at once, so that what the master does not send by itself is asked for soon. */
const QUICK = { ...RHYTHM, pollMs: 60_000, pollWithoutBusMs: 20, retryMs: 5, calmMs: 20, random: () => 0.5 };
/** Nothing by itself within a test. */
const SLOW = { ...RHYTHM, pollMs: 60_000, pollWithoutBusMs: 60_000 };

let master: FakeMaster;
const running: Configuration[] = [];
beforeEach(async () => {
  master = await startFakeMaster();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((configuration) => configuration.stop()));
  await master.close();
});

interface World {
  readonly store?: BundleStore;
  readonly bootstrap?: unknown;
  readonly rhythm?: typeof RHYTHM;
  readonly orgs?: readonly string[];
  readonly ring?: KeyRing;
}

async function start({ store = memoryStore(), bootstrap, rhythm = QUICK, orgs = ['abc'], ring }: World = {}) {
  const appliedOrgs: string[] = [];
  const orders: unknown[] = [];
  const lines: { readonly level: string; readonly msg: string }[] = [];
  const log = pino(
    { formatters: { level: (level) => ({ level }) } },
    { write: (line) => lines.push(JSON.parse(line)) },
  );
  const metrics = createMetrics({ mode: 'test', version: '0' });
  const keys = ring ?? ringOf(...orgs);
  const configuration = await startConfiguration({
    openRedis,
    masterUrl: master.url,
    keys,
    store,
    bootstrap,
    log,
    metrics,
    rhythm,
    onApply: (orgId) => appliedOrgs.push(orgId),
    onOrder: (orgId, order) => orders.push([orgId, order]),
  });
  running.push(configuration);
  return { configuration, store, metrics, lines, appliedOrgs, orders };
}

const applied = (configuration: Configuration) => configuration.status()[0]?.applied;
const source = (configuration: Configuration) => configuration.status()[0]?.source;
const status = (configuration: Configuration) => configuration.playable('abc')?.campaigns.get('123')?.campaign.status;

describe('a node begins', () => {
  test('with what the master has, and keeps it', async () => {
    master.serve(bundleOf(one));
    const { configuration, store } = await start();
    await vi.waitFor(() => expect(applied(configuration)).toBe(1));
    expect(master.requests[0]?.headers['x-organization-secret']).toBe(keyOf('abc').text);
    await vi.waitFor(async () => expect(await store.load('abc')).toMatchObject([{ revision: 1, schema: 1 }]));
  });

  test('with what its disk holds before the master was asked, and never forgets it for a master that is away', async () => {
    await master.down();
    const store = memoryStore();
    await store.save('abc', { ...bundleOf(one), fallbacks: [] });
    const { configuration } = await start({ store });
    expect(applied(configuration)).toBe(1);
    expect(source(configuration)).toBe('disk');
    expect(configuration.status()[0]?.ageSeconds).toBe(Number.POSITIVE_INFINITY);
    master.serve(bundleOf(paused.to));
    await master.up();
    await vi.waitFor(() => expect(applied(configuration)).toBe(2));
  });

  test('with the bootstrap bundle when there is nothing else, until the master has something', async () => {
    const bootstrap = [bundleOf(contentOf(9, { org_id: 'other' })), bundleOf(one)];
    const { configuration, store } = await start({ bootstrap });
    await vi.waitFor(() => expect(source(configuration)).toBe('bootstrap'));
    expect(applied(configuration)).toBe(1);
    expect(await store.load('abc')).toEqual([]);
    master.serve(bundleOf(paused.to));
    await vi.waitFor(() => expect(source(configuration)).toBe('poll'));
    expect(applied(configuration)).toBe(2);
  });

  test('with the second generation when the first holds what it cannot take', async () => {
    await master.down();
    const store: BundleStore = {
      load: async () => [{ ...bundleOf(paused.to), sha256: '0'.repeat(64) }, bundleOf(one)],
      save: async () => {},
    };
    const { configuration } = await start({ store });
    expect(applied(configuration)).toBe(1);
  });

  test('with each of its organizations by its own key', async () => {
    master.serve(bundleOf(one));
    const { configuration } = await start({ orgs: ['abc', 'other'] });
    await vi.waitFor(() => expect(configuration.playable('abc')).toBeDefined());
    expect(configuration.onlyOrg).toBeUndefined();
    expect([configuration.serves('abc'), configuration.serves('other'), configuration.serves('none')]).toEqual([
      true,
      true,
      false,
    ]);
    // What the master gave for the other organization is not its own.
    expect(configuration.playable('other')).toBeUndefined();
    expect(configuration.status()[1]?.problem).toContain('a bundle of abc');
  });
});

describe('a node follows', () => {
  test('the stream: a change is applied as it comes, kept, and measured', async () => {
    master.serve(bundleOf(one));
    const { configuration, metrics, store } = await start({ rhythm: SLOW });
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    master.emit('change', changeTo(one, paused.to, paused.change.changes, keyOf('abc').key, new Date().toISOString()));
    await vi.waitFor(() => expect(status(configuration)).toBe('paused'));
    expect(source(configuration)).toBe('stream');
    const text = await metrics.registry.metrics();
    expect(text).toContain('voiceoi_sync_propagation_seconds_count{org="abc",source="stream"} 1');
    expect(text).toContain('voiceoi_config_revision{org="abc"} 2');
    await vi.waitFor(async () => expect(await store.load('abc')).toMatchObject([{ revision: 2 }, { revision: 1 }]));
  });

  test('a stream that was cut, from where it is', async () => {
    master.serve(bundleOf(one));
    const { configuration } = await start({ rhythm: { ...SLOW, retryMs: 5 } });
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    master.emit('change', paused.change);
    await vi.waitFor(() => expect(applied(configuration)).toBe(2));
    master.cutStreams();
    const streams = () => master.requests.filter(({ path }) => path === '/api/sync/stream');
    await vi.waitFor(() => expect(streams()).toHaveLength(2));
    expect(streams()[1]?.query.get('since')).toBe('2');
  });

  test('a ping that tells of a revision it has not got', async () => {
    master.serve(bundleOf(one));
    const { configuration } = await start({ rhythm: { ...SLOW, calmMs: 10 } });
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    master.serve(bundleOf(paused.to));
    master.emit('ping', { epoch: 'e1', revision: 2 });
    await vi.waitFor(() => expect(applied(configuration)).toBe(2));
  });

  test('a gap, by asking for what is between', async () => {
    master.serve(bundleOf(one));
    const { configuration } = await start({ rhythm: SLOW });
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    const third = next(paused.to, campaignEntry('123', 's', 1));
    master.answerSince = { intent: 'changes', changes: [paused.change, third.change] };
    master.emit('change', third.change);
    await vi.waitFor(() => expect(applied(configuration)).toBe(3));
    expect(source(configuration)).toBe('poll');
  });

  test('by questions alone where streams do not get through: 304 and `none` confirm what it has', async () => {
    master.intercept = ({ path }, response) => {
      if (path === '/api/sync/stream') response.writeHead(502).end();
      return path === '/api/sync/stream';
    };
    master.serve(bundleOf(one));
    const { configuration } = await start();
    const asked = () => master.requests.filter(({ path }) => path === '/api/sync/campaigns');
    await vi.waitFor(() => expect(asked().length).toBeGreaterThan(2));
    expect(asked()[1]?.headers['if-none-match']).toBe(`W/"e1:1:${bundleOf(one).sha256}"`);
    master.serve(bundleOf(paused.to));
    await vi.waitFor(() => expect(applied(configuration)).toBe(2));
    expect(configuration.status()[0]?.ageSeconds).toBeLessThan(5);
  });
});

describe('a node goes on', () => {
  test.each([401, 403, 500])('through answers of %i, tries again, and says what is wrong', async (code) => {
    const store = memoryStore();
    await store.save('abc', { ...bundleOf(one), fallbacks: [] });
    master.serve(bundleOf(paused.to));
    master.intercept = (_request, response) => {
      response.writeHead(code).end();
      return true;
    };
    const { configuration } = await start({ store });
    await vi.waitFor(() => expect(master.requests.length).toBeGreaterThan(3));
    expect(applied(configuration)).toBe(1);
    expect(configuration.status()[0]?.problem).toContain(String(code));
    master.intercept = undefined;
    await vi.waitFor(() => expect(applied(configuration)).toBe(2));
    expect(configuration.status()[0]?.problem).toBeUndefined();
  });

  test('with a script’s last valid version when a broken one comes, takes what came with it, and does so over a restart', async () => {
    const store = memoryStore();
    master.serve(bundleOf(one));
    const first = await start({ store });
    await vi.waitFor(() => expect(applied(first.configuration)).toBe(1));
    const broken = contentOf(2, {
      settings: { timezone: 'Asia/Kolkata' },
      campaigns: [campaignEntry('123', 's', 2, { name: 'renamed' }), campaignEntry('124', 't', 1)],
      scripts: [scriptEntry('s', 2, { schema: 'voiceoi/script/v1', entry: 'nowhere', steps: {} }), scriptEntry('t', 1)],
    });
    master.serve(bundleOf(broken));
    await vi.waitFor(() => master.emit('ping', { epoch: 'e1', revision: 2 }));
    await vi.waitFor(() => expect(applied(first.configuration)).toBe(2));
    const expectPlayable = (configuration: Configuration): void => {
      const playable = configuration.playable('abc');
      expect(playable?.campaigns.get('123')).toMatchObject({ campaign: { name: 'renamed' }, script: { version: 1 } });
      expect(playable?.campaigns.get('124')).toMatchObject({ script: { version: 1 } });
      expect(playable?.settings.timezone).toBe('Asia/Kolkata');
      expect(playable?.rejected).toMatchObject([{ kind: 'script', id: 's', version: 2 }]);
    };
    expectPlayable(first.configuration);
    expect(await first.metrics.registry.metrics()).toContain('voiceoi_config_rejected{org="abc"} 1');
    await first.configuration.stop();
    await master.down();
    expectPlayable((await start({ store })).configuration);
  });

  test('with a campaign as it was when what comes for it cannot be understood', async () => {
    master.serve(bundleOf(one));
    const { configuration } = await start();
    await vi.waitFor(() => expect(applied(configuration)).toBe(1));
    const odd = contentOf(2, { ...one, revision: 2, campaigns: [campaignEntry('123', 's', 1, { status: 'resting' })] });
    master.serve(bundleOf(odd));
    await vi.waitFor(() => master.emit('ping', { epoch: 'e1', revision: 2 }));
    await vi.waitFor(() => expect(applied(configuration)).toBe(2));
    expect(status(configuration)).toBe('active');
    expect(configuration.playable('abc')?.rejected).toMatchObject([{ kind: 'campaign', id: '123' }]);
  });

  test('with a script although the settings no longer allow its applications: that is decided as the call runs', async () => {
    const steps = { a: { type: 'exec', application: 'Playback', arguments: ['x'], next: 'b' }, b: { type: 'return' } };
    const script = scriptEntry('s', 1, { schema: 'voiceoi/script/v1', entry: 'a', steps });
    master.serve(bundleOf({ ...one, scripts: [script], settings: { exec_allow: ['NoOp'] } }));
    const { configuration } = await start();
    await vi.waitFor(() => expect(applied(configuration)).toBe(1));
    expect(configuration.playable('abc')?.rejected).toEqual([]);
  });

  test('without what cannot be kept on its disk, and says so', async () => {
    const store: BundleStore = { load: async () => [], save: () => Promise.reject(new Error('no space')) };
    master.serve(bundleOf(one));
    const { configuration, lines } = await start({ store });
    await vi.waitFor(() => expect(lines.some(({ msg }) => msg.includes('cannot be kept on disk'))).toBe(true));
    expect(applied(configuration)).toBe(1);
  });

  test('with what it has when its bundle is torn twice, and does not ask without end', async () => {
    master.serve(bundleOf(one));
    const { configuration } = await start({ rhythm: { ...SLOW, calmMs: 10 } });
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    master.serve({ ...bundleOf(paused.to), sha256: 'f'.repeat(64) });
    master.emit('ping', { epoch: 'e1', revision: 2 });
    await vi.waitFor(() => expect(configuration.status()[0]?.problem).toContain('revision 2'));
    const asked = master.requests.length;
    master.emit('change', paused.change);
    await vi.waitFor(() => expect(applied(configuration)).toBe(2));
    expect(master.requests.length - asked).toBeLessThan(3);
  });

  test('and never asks as fast as somebody sends forged changes', async () => {
    master.serve(bundleOf(one));
    const { configuration, lines } = await start({ rhythm: { ...SLOW, calmMs: 60_000 } });
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    const before = master.requests.length;
    for (let count = 0; count < 500; count++) master.emit('change', { ...paused.change, sig: 'e'.repeat(64) });
    master.emit('change', paused.change);
    await vi.waitFor(() => expect(applied(configuration)).toBe(2));
    expect(master.requests.length - before).toBeLessThanOrEqual(1);
    expect(lines.filter(({ msg }) => msg.includes('not signed'))).toHaveLength(1);
  });
});

test('versions that are known are not compiled again, and what calls hold stays as it was', async () => {
  master.serve(bundleOf(one));
  const { configuration } = await start({ rhythm: SLOW });
  await vi.waitFor(() => expect(master.openStreams()).toBe(1));
  const before = configuration.playable('abc');
  const script = scriptEntry('s', 2, playing('other'));
  const to = { ...one, revision: 2, campaigns: [campaignEntry('123', 's', 2)], scripts: [scriptEntry('s', 1), script] };
  master.emit(
    'change',
    changeTo(one, to, [
      { op: 'put', kind: 'script', id: 's@2', object: { ...script } },
      { op: 'put', kind: 'campaign', id: '123', object: campaignEntry('123', 's', 2) },
    ]),
  );
  await vi.waitFor(() => expect(applied(configuration)).toBe(2));
  expect(configuration.playable('abc')?.scripts.get('s@1')).toBe(before?.scripts.get('s@1'));
  expect(configuration.playable('abc')?.campaigns.get('123')?.script?.version).toBe(2);
  expect(before?.campaigns.get('123')?.script?.version).toBe(1);
});

test('stopping does not wait for a master that does not answer', async () => {
  master.intercept = () => true;
  const { configuration } = await start();
  await vi.waitFor(() => expect(master.requests).toHaveLength(1));
  const begun = performance.now();
  await configuration.stop();
  expect(performance.now() - begun).toBeLessThan(1000);
});

describe('a node that follows the stream', () => {
  test('passes on the orders that it brings, with the organization whose stream it is, and tells of each revision', async () => {
    master.serve(bundleOf(one));
    const { configuration, orders, appliedOrgs } = await start();
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    expect(applied(configuration)).toBe(1);
    expect(appliedOrgs).toEqual(['abc']);
    master.emit('order', { whatever: 1 });
    await vi.waitFor(() => expect(orders).toEqual([['abc', { whatever: 1 }]]));
  });

  test('shows which scripts it does not play', async () => {
    const broken = scriptEntry('s', 1, { schema: 'voiceoi/script/v1', entry: 'nowhere', steps: {} });
    master.serve(bundleOf({ ...one, scripts: [broken] }));
    const { configuration } = await start();
    await vi.waitFor(() => expect(applied(configuration)).toBe(1));
    expect(configuration.status()[0]?.rejected).toMatchObject([{ kind: 'script', id: 's', version: 1 }]);
  });
});

describe('secrets', () => {
  /** An entry of a bundle, sealed for these generations. */
  const entry = (value: string, version: number, generations: readonly number[] = [1]) => {
    const identity = { orgId: 'abc', name: 'token', version };
    const seal = (generation: number) => sealSecret(keyOf('abc', generation).key, identity, value);
    const sealed = Object.fromEntries(generations.map((generation) => [String(generation), seal(generation)]));
    return { name: 'token', version, sealed };
  };
  const token = (configuration: Started) => configuration.secretOf('abc', 'token');
  const fetches = () => master.requests.filter(({ path, query }) => path.endsWith('/campaigns') && !query.has('since'));

  test('are opened from the bundle, from a change, and gone when a change deletes them', async () => {
    master.serve(bundleOf(one, { secrets: [entry('first', 1)] }));
    const { configuration } = await start({ rhythm: SLOW });
    await vi.waitFor(() => expect(token(configuration)).toBe('first'));
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    const [two, three] = [2, 3].map((revision) => ({ ...one, revision })) as [typeof one, typeof one];
    const object = entry('second', 2);
    master.emit('change', changeTo(one, two, [{ op: 'put', kind: 'secret', id: 'token', object }]));
    await vi.waitFor(() => expect(token(configuration)).toBe('second'));
    master.emit('change', changeTo(two, three, [{ op: 'delete', kind: 'secret', id: 'token' }]));
    await vi.waitFor(() => expect(applied(configuration)).toBe(3));
    expect(token(configuration)).toBeUndefined();
  });

  test('are kept on disk sealed, and opened again from there while the master is away', async () => {
    master.serve(bundleOf(one, { secrets: [entry('very secret', 1)] }));
    const { configuration, store, lines } = await start({ rhythm: SLOW });
    await vi.waitFor(() => expect(token(configuration)).toBe('very secret'));
    await configuration.stop();
    await master.down();
    const { configuration: again } = await start({ store });
    expect(token(again)).toBe('very secret');
    expect(JSON.stringify([await store.load('abc'), lines, again.status()])).not.toContain('very secret');
  });

  test('are fetched with a new key, as is the way into the bus, although no revision is new, and kept so on disk', async () => {
    master.serve(bundleOf(one, { secrets: [entry('the value', 1, [1])] }));
    const ring = ringOf('abc');
    const { configuration, store } = await start({ rhythm: SLOW, ring });
    await vi.waitFor(() => expect(token(configuration)).toBe('the value'));
    const before = fetches().length;
    ring.replace([keyOf('abc', 2).text]);
    master.serve(bundleOf(one, { secrets: [entry('the value', 1, [2])] }));
    configuration.keysChanged('abc');
    expect(token(configuration)).toBe('the value');
    await vi.waitFor(() => expect(fetches()).toHaveLength(before + 1));
    expect(fetches().at(-1)?.headers).toMatchObject({ 'x-organization-secret': keyOf('abc', 2).text });
    const sealed = async () => (await store.load('abc')).map((kept) => Object(kept).secrets[0].sealed);
    await vi.waitFor(async () => expect(Object.keys((await sealed())[0])).toEqual(['2']));
    expect(token(configuration)).toBe('the value');
  });

  test('that the disk holds for a key of before are fetched anew, although the revision is current', async () => {
    const store = memoryStore();
    await store.save('abc', { ...bundleOf(one, { secrets: [entry('the value', 1, [1])] }), fallbacks: [] });
    master.serve(bundleOf(one, { secrets: [entry('the value', 1, [1, 2])] }));
    const { configuration } = await start({ store, ring: createKeyRing([keyOf('abc', 2).text]) });
    expect(applied(configuration)).toBe(1);
    await vi.waitFor(() => expect(token(configuration)).toBe('the value'));
  });

  test('that nobody can open are told of once, and asked for no more', async () => {
    master.serve(bundleOf(one, { secrets: [entry('the value', 1, [7])] }));
    const { configuration, lines } = await start();
    const told = () => lines.filter(({ msg }) => msg.includes('cannot be opened'));
    await vi.waitFor(() => expect(told()).toHaveLength(1));
    const asked = () => master.requests.filter(({ path }) => path.endsWith('/campaigns')).length;
    const before = asked();
    await vi.waitFor(() => expect(asked()).toBeGreaterThan(before + 3));
    expect(fetches().filter(({ headers }) => headers['if-none-match'] === undefined)).toHaveLength(1);
    expect(told()).toHaveLength(1);
    expect(applied(configuration)).toBe(1);
  });
});

describe('keys that change', () => {
  test('a change that any held key signed is taken, whichever is in use', async () => {
    master.serve(bundleOf(one));
    const ring = createKeyRing([keyOf('abc', 1).text, keyOf('abc', 2).text]);
    const { configuration, lines } = await start({ rhythm: SLOW, ring });
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    const items = [{ op: 'put' as const, kind: 'campaign' as const, id: '123', object: { ...paused.to.campaigns[0] } }];
    master.emit('change', changeTo(one, paused.to, items, keyOf('abc', 2).key));
    await vi.waitFor(() => expect(status(configuration)).toBe('paused'));
    expect(lines.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  test('an organization that comes is served once its bundle is here, and one that goes is not at once', async () => {
    master.serve(bundleOf(one));
    const ring = createKeyRing([]);
    const { configuration } = await start({ rhythm: SLOW, ring });
    expect(configuration.onlyOrg).toBeUndefined();
    ring.replace([keyOf('abc').text]);
    await configuration.serve('abc');
    await vi.waitFor(() => expect(applied(configuration)).toBe(1));
    expect([configuration.serves('abc'), configuration.onlyOrg]).toEqual([true, 'abc']);
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    ring.replace([]);
    expect(configuration.serves('abc')).toBe(false);
    await configuration.leave('abc');
    await vi.waitFor(() => expect(master.openStreams()).toBe(0));
    expect(configuration.status()).toEqual([]);
  });
});
