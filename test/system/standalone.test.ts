import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { placeCall } from '../../tools/call/peer.ts';
import { freePort } from '../services/free-port.ts';
import { startProcess } from '../services/process.ts';
import { eventually, ROOT, type Standalone, startStandalone } from '../services/standalone.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'voiceoi-system-'));
let standalone: Standalone;
beforeAll(async () => {
  standalone = await startStandalone({ dataDir });
});
afterAll(async () => {
  await standalone?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const call = (keys: string, rest: object = {}) =>
  placeCall({ host: '127.0.0.1', port: standalone.agiPort, org: 'abc', campaign: '123', keys, ...rest });

/** Runs a start that is refused. */
async function refused(words: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const started = startProcess(process.execPath, ['bin/start.js', ...words], { cwd: ROOT });
  return { code: await started.exited, output: started.output() };
}

describe('standalone, as make run starts it', () => {
  test('says where things are, whom to sign in as, and what to type next', () => {
    const said = standalone.process.output();
    expect(said).toMatch(/API\s+http:\/\/localhost:\d+\/api\/docs/);
    expect(said).toMatch(/Sign in as\s+admin@localhost/);
    expect(said).toMatch(/Password\s+\S{12,}/);
    expect(said).toContain(`AGI(agi://localhost:${standalone.agiPort}/agi, campaign_id=123, org_id=abc)`);
    expect(said).toContain('npm run call');
    expect(said).not.toMatch(/"level":"(warn|error|fatal)"/);
  });

  test('shows its own node, current and ready for calls', async () => {
    const { body } = await eventually(
      () => standalone.api('GET', '/api/orgs/abc/nodes'),
      ({ body: found }) => found.items[0]?.applied !== null && found.items[0]?.behind === 0,
    );
    expect(body.items).toMatchObject([
      { state: 'active', advertise_agi: expect.stringMatching(`:${standalone.agiPort}$`), rejected: [] },
    ]);
  });

  test('answers a call with the demo and stores it once, with every step', async () => {
    const result = await call('1');
    expect(result).toMatchObject({ agistatus: 'SUCCESS', outcome: 'completed', disposition: 'SALE' });
    const { body } = await eventually(
      () => standalone.api('GET', `/api/orgs/abc/calls/${result.call_id}`),
      ({ status, body: found }) => status === 200 && found.events.length === found.steps,
    );
    expect(body).toMatchObject({
      org_id: 'abc',
      campaign_id: '123',
      script_id: 'demo',
      version: 1,
      outcome: 'completed',
      disposition: 'SALE',
      caller: '3125550100',
    });
    expect(body.first_command_ms).toBeGreaterThan(0);
    const steps = body.events.map(({ seq, step, outcome }: { seq: number; step: string; outcome: string }) => [
      seq,
      step,
      outcome,
    ]);
    expect(steps.slice(0, 3)).toEqual([
      [0, 'welcome', 'done'],
      [1, 'greeting', 'done'],
      [2, 'menu', '1'],
    ]);
    const menu = body.events[2];
    expect(menu.detail[0]).toMatchObject({ kind: 'gather', digits: '1' });
    expect(menu.turn_ms).toBeGreaterThan(0);
    const list = await standalone.api('GET', '/api/orgs/abc/calls?disposition=SALE&version=1');
    expect(list.body.items.filter(({ call_id }: { call_id: string }) => call_id === result.call_id)).toHaveLength(1);
  });

  test('says failure to a call that nobody can take, and records it when the organization is known', async () => {
    expect(await call('', { campaign: '999' })).toMatchObject({
      agistatus: 'FAILURE',
      failure: 'failure no such campaign',
    });
    expect(await call('', { org: 'nobody' })).toMatchObject({ agistatus: 'FAILURE' });
    const list = await eventually(
      () => standalone.api('GET', '/api/orgs/abc/calls?outcome=refused'),
      ({ body }) => body.items.length > 0,
    );
    expect(list.body.items[0]).toMatchObject({ campaign_id: '999', reason: 'unknown_campaign' });
  });

  test('plays a new version in the next call, milliseconds after it was published, while a call in flight keeps its own', async () => {
    const inFlight = call('', { hangupAfterMs: 3000 });
    await eventually(
      async () =>
        (await (await fetch(`http://127.0.0.1:${standalone.opsPort}/state`)).json()) as { calls: { active: number } },
      ({ calls }) => calls.active === 1,
    );
    const document = { schema: 'voiceoi/script/v1', entry: 'a', steps: { a: { type: 'return', disposition: 'NEW' } } };
    expect((await standalone.api('PUT', '/api/orgs/abc/scripts/demo/draft', { document })).status).toBe(200);
    expect((await standalone.api('POST', '/api/orgs/abc/scripts/demo/publish', { note: 'short' })).body).toEqual({
      version: 2,
    });
    const next = await eventually(
      () => call(''),
      ({ disposition }) => disposition === 'NEW',
    );
    expect(next.outcome).toBe('completed');
    const old = await inFlight;
    expect(old).toMatchObject({ agistatus: 'HANGUP', outcome: 'caller_hangup', disposition: 'AB' });
    const { body } = await eventually(
      () => standalone.api('GET', `/api/orgs/abc/calls/${old.call_id}`),
      ({ status }) => status === 200,
    );
    expect(body.version).toBe(1);
    expect((await standalone.api('POST', '/api/orgs/abc/scripts/demo/rollback', { version: 1 })).body).toEqual({
      version: 3,
    });
  });

  test('takes a thousand calls, a hundred at a time, and stores each once', async () => {
    const before = (await standalone.api('GET', '/api/orgs/abc/calls?version=3&limit=200')).body.items.length;
    expect(before).toBe(0);
    await eventually(
      () => call('9'),
      ({ disposition }) => disposition === 'DNC',
    );
    const results = [];
    for (let round = 0; round < 10; round++)
      results.push(...(await Promise.all(Array.from({ length: 100 }, () => call('9')))));
    expect(results.filter(({ disposition }) => disposition !== 'DNC')).toEqual([]);
    const ids = new Set(results.map(({ call_id }) => call_id));
    expect(ids.size).toBe(1000);
    const stored = await eventually(
      async () => {
        const found: string[] = [];
        let cursor: string | null = '';
        while (cursor !== null) {
          const query = `/api/orgs/abc/calls?version=3&limit=200${cursor ? `&cursor=${cursor}` : ''}`;
          const { body } = await standalone.api('GET', query);
          found.push(...body.items.map(({ call_id }: { call_id: string }) => call_id));
          cursor = body.next_cursor;
        }
        return found;
      },
      (found) => found.length >= 1001,
      60_000,
    );
    expect(stored).toHaveLength(1001);
    expect(new Set(stored).size).toBe(1001);
  });

  test('measures what the contract names', async () => {
    const text = await (await fetch(`http://127.0.0.1:${standalone.opsPort}/metrics`)).text();
    for (const name of [
      'voiceoi_agi_first_command_seconds_bucket',
      'voiceoi_agi_turn_seconds_bucket',
      'voiceoi_sync_propagation_seconds_bucket',
      'voiceoi_http_request_seconds_bucket',
      'voiceoi_log_ingest_seconds_bucket',
      'voiceoi_calls_active',
      'voiceoi_calls_total',
      'voiceoi_calls_refused_total',
      'voiceoi_config_revision',
      'voiceoi_config_age_seconds',
      'voiceoi_config_rejected',
      'voiceoi_log_spool_bytes',
      'voiceoi_log_dropped_total',
      'voiceoi_build_info',
    ]) {
      expect(text).toContain(name);
    }
    expect(text).toMatch(/voiceoi_agi_first_command_seconds_bucket\{le="0.1",org="abc",campaign="123"\} \d+/);
    expect((await fetch(`http://127.0.0.1:${standalone.opsPort}/readyz`)).status).toBe(200);
  });

  test('refuses a second VoiceOI on its folder or its ports, all problems at once, with 78', async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) =>
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)),
    );
    const free = {
      PORT: await freePort(),
      AGI_PORT: await freePort(),
      HTTP_PORT: await freePort(),
      OPS_PORT: await freePort(),
    };
    const words = (changes: object): readonly string[] =>
      Object.entries({ ...free, HOST: '127.0.0.1', DATA_DIR: dataDir, ...changes }).map(
        ([name, value]) => `${name}=${value}`,
      );
    const folder = await refused(words({}));
    expect(folder.code).toBe(78);
    expect(folder.output).toMatch(/DATA_DIR .* another VoiceOI uses/);
    const file = join(dataDir, 'a-file');
    writeFileSync(file, '');
    const all = await refused(words({ PORT: port, MAX_CALLS: 'many', DATA_DIR: join(file, 'x'), JWT_SECRET: 'short' }));
    taken.close();
    expect(all.code).toBe(78);
    expect(all.output).toMatch(/4 settings have to be put right/);
    for (const name of ['PORT', 'MAX_CALLS', 'DATA_DIR', 'JWT_SECRET'])
      expect(all.output).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    const mode = await refused(['SERVICE_MODE=nonsense']);
    expect(mode).toMatchObject({ code: 78, output: expect.stringContaining('SERVICE_MODE should be one of') });
  });

  test('keeps everything over a restart, and prints no password again', async () => {
    const before = (await standalone.api('GET', '/api/orgs/abc/calls?limit=1')).body.items[0];
    const { password } = standalone;
    expect(await standalone.process.stop()).toBe(0);
    standalone = await startStandalone({ dataDir, ...(password !== undefined && { password }) });
    expect(standalone.process.output()).not.toMatch(/Password/);
    expect((await standalone.api('GET', '/api/orgs/abc/calls?limit=1')).body.items[0]).toEqual(before);
    expect(await call('1')).toMatchObject({ agistatus: 'SUCCESS', disposition: 'SALE' });
  });
});
