import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMetrics, openRedis, readSettings } from '@voiceoi/kernel';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type FakeMaster, startFakeMaster } from '../../test/services/fake-master.ts';
import { bundleOf, campaignEntry, contentOf, keyOf, orderTo, scriptEntry } from '../../test/services/sync-world.ts';
import { createKeyRing, type KeyRing } from './keys/index.ts';
import { type RunningBot, startBot } from './node.ts';
import { BOT_VARIABLES } from './settings.ts';

const bundle = bundleOf(contentOf(4, { campaigns: [campaignEntry('123', 's', 1)], scripts: [scriptEntry('s', 1)] }));
const asking = bundleOf(
  contentOf(5, {
    campaigns: [campaignEntry('123', 's', 2)],
    scripts: [
      scriptEntry('s', 2, {
        schema: 'voiceoi/script/v1',
        entry: 'ask',
        steps: {
          ask: { type: 'gather', on: { match: 'end', timeout: 'end', invalid: 'end' } },
          end: { type: 'return' },
        },
      }),
    ],
  }),
);
let master: FakeMaster;
let folder: string;
let bots: RunningBot[];
beforeEach(async () => {
  master = await startFakeMaster();
  master.serve(bundle);
  folder = mkdtempSync(join(tmpdir(), 'voiceoi-node-'));
  bots = [];
});
afterEach(async () => {
  await Promise.all(bots.map((bot) => bot.stop()));
  await master.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(changed: { readonly [name: string]: string | number } = {}, keys?: KeyRing): Promise<RunningBot> {
  const settings = {
    SYNC_MASTER_URL: master.url,
    SYNC_SECRET_KEY: keyOf('abc').text,
    DATA_DIR: folder,
    NODE_ID: 'node-1',
    HOST: '127.0.0.1',
    AGI_PORT: 0,
    HTTP_PORT: 0,
    DRAIN_SECONDS: 5,
    LOG_FLUSH_SECONDS: 0,
    ...changed,
  };
  const argv = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const bot = await startBot({
    openRedis,
    settings: readSettings(BOT_VARIABLES, { argv, env: {} }),
    ...(keys && { keys }),
    bootstrap: undefined,
    log: pino({ level: 'silent' }),
    metrics: createMetrics({ mode: 'test', version: '0' }),
  });
  bots.push(bot);
  return bot;
}

const ready = async (bot: RunningBot): Promise<void> => {
  await vi.waitFor(() => expect(bot.ready()).toEqual({ ready: true, reasons: [] }));
};

/** A call as Asterisk would place it: answers each command with success, unless it is to be kept back. */
function call({ port, holdAt }: { readonly port: number; readonly holdAt?: string }) {
  const socket = connect(port, '127.0.0.1');
  const commands: string[] = [];
  let text = '';
  let isHeld = false;
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    text += chunk.toString();
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      commands.push(line);
      isHeld = holdAt !== undefined && line.startsWith(holdAt);
      if (!isHeld && !line.startsWith('failure')) socket.write('200 result=0\n');
    }
  });
  socket.write('agi_network: yes\nagi_network_script: agi\nagi_arg_1: campaign_id=123\nagi_arg_2: org_id=abc\n\n');
  return {
    commands,
    closed: once(socket, 'close'),
    release: () => socket.write('200 result=0\n'),
    hold: () => vi.waitFor(() => expect(isHeld).toBe(true)),
  };
}

const whole = async (port: number): Promise<readonly string[]> => {
  const placed = call({ port });
  await placed.closed;
  return placed.commands;
};

describe('a node', () => {
  test('answers a call from the master’s configuration, and its records reach the master', async () => {
    const bot = await start();
    await ready(bot);
    const commands = await whole(bot.agiPort);
    expect(commands.map((line) => line.replace(/"[0-9a-f-]{36}"/, '"ID"'))).toEqual([
      'SET VARIABLE VOICEOI_CALL_ID "ID"',
      'ANSWER',
      expect.stringMatching(/^STREAM FILE "?hello-1"?/),
      'SET VARIABLE VOICEOI_OUTCOME "completed"',
      'SET VARIABLE VOICEOI_DISPOSITION "OK"',
    ]);
    await vi.waitFor(() => expect(master.records.map((record) => record['type'])).toContain('call'));
    expect(master.records.filter((record) => record['type'] === 'call')).toMatchObject([
      { node_id: 'node-1', outcome: 'completed' },
    ]);
  });

  test('is not ready, and refuses calls with a line that Asterisk takes for a failure, until it has a configuration', async () => {
    master.serve(undefined);
    const bot = await start();
    expect(bot.ready()).toMatchObject({
      ready: false,
      reasons: [expect.stringContaining('no configuration of abc yet')],
    });
    expect(await whole(bot.agiPort)).toEqual([expect.stringMatching(/^failure /)]);
    await vi.waitFor(() =>
      expect(master.records).toMatchObject([{ type: 'call', outcome: 'refused', reason: 'no_configuration' }]),
    );
  });

  test('begins again from its disk while the master is away, and delivers its records once it is back', async () => {
    const first = await start();
    await ready(first);
    await first.stop();
    await master.down();
    const second = await start();
    expect(second.ready().ready).toBe(true);
    expect((await whole(second.agiPort)).at(-1)).toContain('"OK"');
    await master.up();
    await vi.waitFor(() => expect(master.records.map((record) => record['type'])).toContain('call'), 10_000);
  });

  test('tells its state as the contract shapes it', async () => {
    const bot = await start({ MAX_CALLS: 7 });
    await ready(bot);
    const held = call({ port: bot.agiPort, holdAt: 'ANSWER' });
    await held.hold();
    expect(bot.state()).toMatchObject({
      node_id: 'node-1',
      pool: 'default',
      state: 'active',
      ready: true,
      calls: { active: 1, capacity: 7, oldest_seconds: expect.any(Number) },
      organizations: [{ org_id: 'abc', epoch: 'e1', applied: 4, age_seconds: expect.any(Number), source: 'poll' }],
    });
    held.release();
    await held.closed;
    await vi.waitFor(() => expect(bot.state()).toMatchObject({ calls: { active: 0, oldest_seconds: 0 } }));
  });

  test('that ends is not ready at once, refuses new calls, lets those in flight end, and sends their records', async () => {
    const bot = await start();
    await ready(bot);
    const held = call({ port: bot.agiPort, holdAt: 'ANSWER' });
    await held.hold();
    const stopped = bot.stop();
    expect(bot.ready()).toEqual({ ready: false, reasons: ['stopping'] });
    await vi.waitFor(async () =>
      expect(await whole(bot.agiPort)).toEqual([expect.stringMatching(/^failure .*no new calls/)]),
    );
    expect(bot.state()).toMatchObject({ state: 'draining', calls: { active: 1 } });
    held.release();
    await held.closed;
    await stopped;
    const outcomes = master.records.filter((record) => record['type'] === 'call').map((record) => record['outcome']);
    expect(outcomes).toContain('completed');
  });

  test('that is announced as ending still takes calls for a while', async () => {
    const bot = await start({ ANNOUNCE_SECONDS: 1 });
    await ready(bot);
    const stopped = bot.stop();
    expect(bot.ready().ready).toBe(false);
    expect((await whole(bot.agiPort)).at(-1)).toContain('"OK"');
    await stopped;
  });

  test('whose time to drain is over cuts the calls that are left, and their records are sent', async () => {
    const bot = await start({ DRAIN_SECONDS: 0 });
    await ready(bot);
    const held = call({ port: bot.agiPort, holdAt: 'STREAM' });
    await held.hold();
    await Promise.all([bot.stop(), held.closed]);
    const calls = master.records.filter((record) => record['type'] === 'call');
    expect(calls).toMatchObject([{ outcome: 'failed', reason: 'the node has ended' }]);
  });

  test('reports as it begins, with the address that it listens on, and as it ends', async () => {
    const bot = await start({ MAX_CALLS: 7, POOL: 'p', ADVERTISE_URL: 'http://203.0.113.7:80' });
    await vi.waitFor(() => expect(master.statuses.at(-1)?.organizations).toMatchObject([{ applied: 4 }]));
    expect(master.statuses.at(-1)).toMatchObject({
      node_id: 'node-1',
      pool: 'p',
      state: 'active',
      calls: { active: 0, capacity: 7 },
      advertise_url: 'http://203.0.113.7:80',
      advertise_agi: `127.0.0.1:${bot.agiPort}`,
      organizations: [{ org_id: 'abc', epoch: 'e1', state: 'active', rejected: [] }],
    });
    const held = call({ port: bot.agiPort, holdAt: 'ANSWER' });
    await held.hold();
    const stopped = bot.stop();
    await vi.waitFor(() => expect(master.statuses.at(-1)).toMatchObject({ state: 'draining', calls: { active: 1 } }));
    held.release();
    await stopped;
  });

  test('that is ordered to drain refuses new calls, lets those in flight end, is not ready, and stays so over a restart without the master, until it is resumed', async () => {
    let bot = await start();
    await ready(bot);
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    const held = call({ port: bot.agiPort, holdAt: 'ANSWER' });
    await held.hold();
    master.draining.add('abc');
    master.emit('order', orderTo('node-1', 'draining', 1));
    await vi.waitFor(() => expect(bot.ready()).toEqual({ ready: false, reasons: ['ordered to drain'] }));
    expect(bot.state()).toMatchObject({ state: 'draining', ready: false, organizations: [{ state: 'draining' }] });
    expect(await whole(bot.agiPort)).toEqual([expect.stringMatching(/^failure .*no new calls/)]);
    held.release();
    await held.closed;
    expect(held.commands.at(-1)).toContain('"OK"');

    await bot.stop();
    await master.down();
    bot = await start();
    expect(bot.ready()).toEqual({ ready: false, reasons: ['ordered to drain'] });
    expect(await whole(bot.agiPort)).toEqual([expect.stringMatching(/^failure /)]);
    master.draining.clear();
    await master.up();
    await vi.waitFor(() => expect(bot.ready().ready).toBe(true), 10_000);
    expect((await whole(bot.agiPort)).at(-1)).toContain('"OK"');
  });

  test('that drains for one of its organizations is ready, and takes the calls of the other', async () => {
    const other = { ...contentOf(4, { campaigns: [campaignEntry('123', 's', 1)], scripts: [scriptEntry('s', 1)] }) };
    master.intercept = ({ path, query }, response) => {
      const isTheirs = path === '/api/sync/campaigns' && query.get('org_id') === 'xyz';
      if (isTheirs) response.end(JSON.stringify(bundleOf({ ...other, org_id: 'xyz' })));
      return isTheirs;
    };
    // Organizations whose configuration the master was told of: what it answers to an earlier status would win over the order.
    const told = () =>
      new Set(
        master.statuses
          .flatMap(({ organizations }) => organizations)
          .filter(({ applied }) => applied === 4)
          .map(({ org_id }) => org_id),
      );
    const bot = await start({ SYNC_SECRET_KEY: `${keyOf('abc').text},${keyOf('xyz').text}` });
    await ready(bot);
    await vi.waitFor(() => expect(master.openStreams()).toBe(2));
    await vi.waitFor(() => expect(told()).toEqual(new Set(['abc', 'xyz'])));
    master.draining.add('xyz');
    master.emit('order', orderTo('node-1', 'draining', 1, keyOf('xyz').key));
    await vi.waitFor(() =>
      expect(bot.state()).toMatchObject({
        state: 'active',
        ready: true,
        organizations: [
          { org_id: 'abc', state: 'active' },
          { org_id: 'xyz', state: 'draining' },
        ],
      }),
    );
    expect((await whole(bot.agiPort)).at(-1)).toContain('"OK"');
  });

  test('takes calls over webhooks too, counts them, and lets them end before it does', async () => {
    const bot = await start();
    await ready(bot);
    const post = async (body: object) => {
      const response = await fetch(`http://127.0.0.1:${bot.httpPort}/webhook/abc/123`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', 'x-organization-secret': keyOf('abc').text },
      });
      return { status: response.status, body: JSON.parse(await response.text()) };
    };
    const whole = await post({ event: 'start', caller: { number: '42' } });
    expect(whole.body).toMatchObject({
      done: true,
      disposition: 'OK',
      actions: [{ type: 'answer' }, { type: 'play' }],
    });
    await vi.waitFor(() => expect(master.records.map((record) => record['type'])).toContain('call'));
    master.serve(asking);
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    master.emit('full', asking);
    const waiting = await vi.waitFor(async () => {
      const { body } = await post({ event: 'start' });
      expect(body.done).toBe(false);
      return body;
    }, 10_000);
    expect(bot.state()).toMatchObject({ calls: { active: 1 } });
    const stopped = bot.stop();
    await vi.waitFor(async () => expect((await post({ event: 'start' })).body.code).toBe('DRAINING'));
    expect((await post({ event: 'input', digits: '1', state: waiting.state })).body.outcome).toBe('completed');
    await stopped;
    const ended = master.records.filter(({ type, call_id }) => type === 'call' && call_id === waiting.call_id);
    expect(ended).toMatchObject([{ outcome: 'completed' }]);
  });

  test.each(['AGI_PORT', 'HTTP_PORT'])('that cannot listen on its %s leaves nothing running', async (name) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    await expect(start({ [name]: port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await vi.waitFor(() => expect(master.openStreams()).toBe(0));
    taken.close();
  });
});

describe('keys that change while a node runs', () => {
  const first = keyOf('abc').text;
  const second = keyOf('abc', 2).text;
  /** The master knows this key alone from now on. */
  const knowOnly = (key: string): void => {
    master.intercept = ({ headers }, response) => {
      if (headers['x-organization-secret'] === key) return false;
      response.writeHead(401, { 'content-type': 'application/json' }).end('{}');
      return true;
    };
  };
  const usedBy = (path: string) =>
    master.requests.filter((request) => request.path === path).at(-1)?.headers['x-organization-secret'];

  test('a node without a key waits, says so, and serves an organization as soon as its key comes', async () => {
    const keys = createKeyRing([]);
    const bot = await start({ SYNC_SECRET_KEY: '' }, keys);
    expect(bot.ready()).toEqual({ ready: false, reasons: ['no organization’s key yet'] });
    expect(await whole(bot.agiPort)).toEqual([expect.stringMatching(/^failure /)]);
    keys.replace([first]);
    expect(bot.ready()).toEqual({ ready: false, reasons: [expect.stringContaining('no configuration of abc yet')] });
    await ready(bot);
    expect((await whole(bot.agiPort)).at(-1)).toContain('"OK"');
    await vi.waitFor(() => expect(master.records.map((record) => record['type'])).toContain('call'));
    await vi.waitFor(() => expect(master.statuses.at(-1)?.organizations).toMatchObject([{ applied: 4 }]));
  });

  test('an organization that goes takes no new call, and the one in flight ends as it would have, with its record', async () => {
    const keys = createKeyRing([first]);
    const bot = await start({}, keys);
    await ready(bot);
    const held = call({ port: bot.agiPort, holdAt: 'ANSWER' });
    await held.hold();
    keys.replace([]);
    expect(await whole(bot.agiPort)).toEqual([expect.stringMatching(/^failure /)]);
    expect(bot.ready()).toEqual({ ready: false, reasons: ['no organization’s key yet'] });
    await vi.waitFor(() => expect(master.openStreams()).toBe(0));
    held.release();
    await held.closed;
    expect(held.commands.at(-1)).toContain('"OK"');
    await vi.waitFor(() =>
      expect(master.records.filter((record) => record['type'] === 'call')).toMatchObject([{ outcome: 'completed' }]),
    );
    keys.replace([first]);
    await ready(bot);
    expect((await whole(bot.agiPort)).at(-1)).toContain('"OK"');
  });

  test('a rotated key is taken up everywhere: bundle, stream, records, status', async () => {
    const keys = createKeyRing([first]);
    const bot = await start({}, keys);
    await ready(bot);
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    knowOnly(second);
    keys.replace([second, first]);
    master.cutStreams();
    expect((await whole(bot.agiPort)).at(-1)).toContain('"OK"');
    for (const path of ['/api/sync/campaigns', '/api/sync/stream', '/api/sync/logs', '/api/sync/status'])
      await vi.waitFor(() => expect(usedBy(path), path).toBe(second), 10_000);
    await vi.waitFor(() => expect(master.records.map((record) => record['type'])).toContain('call'));
    expect(bot.ready().ready).toBe(true);
  });

  test('a node that holds several generations goes on with another one when the master no longer knows the one in use', async () => {
    const bot = await start({ SYNC_SECRET_KEY: `${first},${second}` });
    await ready(bot);
    expect(usedBy('/api/sync/campaigns')).toBe(second);
    knowOnly(first);
    expect((await whole(bot.agiPort)).at(-1)).toContain('"OK"');
    await vi.waitFor(() => expect(master.records.map((record) => record['type'])).toContain('call'));
    expect(usedBy('/api/sync/logs')).toBe(first);
    expect(bot.ready().ready).toBe(true);
  });

  test('a key that the master knows no more loses no record: they wait for one that it knows', async () => {
    const keys = createKeyRing([first]);
    const bot = await start({}, keys);
    await ready(bot);
    knowOnly(second);
    expect((await whole(bot.agiPort)).at(-1)).toContain('"OK"');
    await vi.waitFor(() => expect(usedBy('/api/sync/logs')).toBe(first));
    expect(master.records).toEqual([]);
    keys.replace([second]);
    await vi.waitFor(() => expect(master.records.map((record) => record['type'])).toContain('call'), 10_000);
  });
});
