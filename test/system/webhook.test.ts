import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../services/free-port.ts';
import { askMaster, masterSettings, PASSWORD, startMode } from '../services/master-process.ts';
import { type PostgresService, postgresSkipReason, startPostgres } from '../services/postgres.ts';
import type { StartedProcess } from '../services/process.ts';
import { readXml } from '../services/read-xml.ts';
import { type Answer, eventually } from '../services/standalone.ts';

const folder = mkdtempSync(join(tmpdir(), 'voiceoi-webhook-'));
const running: StartedProcess[] = [];
let postgres: PostgresService;
let masterPort: number;
let key: string;
let token = '';

interface Bot {
  readonly process: StartedProcess;
  readonly url: string;
  readonly opsPort: number;
}

function start(settings: object): StartedProcess {
  const started = startMode(settings);
  running.push(started);
  return started;
}

async function startMaster(): Promise<void> {
  masterPort = await freePort();
  await start(await masterSettings(postgres, masterPort)).waitFor(/the master is running/);
}

async function startBot(name: string): Promise<Bot> {
  const [httpPort, opsPort] = [await freePort(), await freePort()];
  const started = start({
    ...{ SERVICE_MODE: 'bot', SYNC_MASTER_URL: `http://127.0.0.1:${masterPort}`, SYNC_SECRET_KEY: key },
    ...{ NODE_ID: name, DATA_DIR: join(folder, name), HOST: '127.0.0.1', DRAIN_SECONDS: 0 },
    ...{ AGI_PORT: await freePort(), HTTP_PORT: httpPort, OPS_PORT: opsPort },
  });
  await started.waitFor(/the bot node is running/);
  await started.waitFor(/configuration applied/);
  return { process: started, url: `http://127.0.0.1:${httpPort}/webhook/acme/c1`, opsPort };
}

function api(method: string, path: string, body?: unknown): Promise<Answer> {
  return askMaster(`http://127.0.0.1:${masterPort}${path}`, `Bearer ${token}`, method, body);
}

/** An organization whose campaign asks for a key twice; answers its key. */
async function makeOrganization(): Promise<string> {
  token = (await api('POST', '/api/auth/login', { email: 'admin@localhost', password: PASSWORD })).body.access_token;
  const ask = (text: string, next: string) => ({
    type: 'gather',
    prompts: [{ text }],
    on: { match: next, timeout: 'no', invalid: 'no' },
  });
  const document = {
    schema: 'voiceoi/script/v1',
    entry: 'answer',
    steps: {
      answer: { type: 'answer', next: 'first' },
      first: ask('First & foremost?', 'second'),
      second: ask('Second?', 'yes'),
      yes: { type: 'hangup', disposition: 'YES' },
      no: { type: 'hangup', disposition: 'NO' },
    },
  };
  const made = [
    await api('POST', '/api/orgs', { id: 'acme', name: 'Acme' }),
    await api('POST', '/api/orgs/acme/scripts', { id: 's1', name: 'One', document }),
    await api('POST', '/api/orgs/acme/scripts/s1/publish', {}),
    await api('POST', '/api/orgs/acme/campaigns', { id: 'c1', name: 'One', script_id: 's1' }),
  ];
  expect(made.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
  return (await api('GET', '/api/orgs/acme/keys')).body.items[0].key;
}

const activeOn = async ({ opsPort }: Bot): Promise<number> => {
  const state: unknown = await (await fetch(`http://127.0.0.1:${opsPort}/state`)).json();
  return (state as { readonly calls: { readonly active: number } }).calls.active;
};

describe.skipIf(postgresSkipReason())('calls over webhooks, with two nodes and a master on real Postgres', () => {
  let a: Bot;
  let b: Bot;
  beforeAll(async () => {
    postgres = await startPostgres();
    await startMaster();
    key = await makeOrganization();
    [a, b] = [await startBot('node-a'), await startBot('node-b')];
  });
  afterAll(async () => {
    for (const started of running) await started.stop('SIGKILL');
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const json = async (bot: Bot, body: object): Promise<Answer> => {
    const response = await fetch(bot.url, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', 'x-organization-secret': key },
    });
    return { status: response.status, body: await response.json(), headers: response.headers };
  };
  const calls = async () => (await api('GET', '/api/orgs/acme/calls')).body.items;

  test('a call that begins on one node and goes on at the other is one call with all its steps', async () => {
    const first = await json(a, { event: 'start', caller: { number: '+15550199' } });
    expect(first).toMatchObject({ status: 200, body: { done: false } });
    expect(await activeOn(a)).toBe(1);
    const second = await json(b, { event: 'input', digits: '1', state: first.body.state });
    expect(second.body).toMatchObject({ done: false, actions: [{ type: 'gather' }] });
    // The provider heard nothing of that answer, and asks the node that it knows.
    const again = await json(a, { event: 'input', digits: '1', state: first.body.state });
    expect(again.body.actions).toEqual(second.body.actions);
    const end = await json(b, { event: 'input', digits: '2', state: second.body.state });
    expect(end.body).toMatchObject({ done: true, outcome: 'completed', disposition: 'YES' });

    const [call] = await eventually(calls, (items) => items.length > 0);
    expect(call).toMatchObject({ call_id: first.body.call_id, node_id: 'node-b', outcome: 'completed', steps: 4 });
    const steps = async () => (await api('GET', `/api/orgs/acme/calls/${call.call_id}`)).body.events;
    const events = await eventually(steps, (found) => found.length >= 4);
    expect(events.map(({ seq, step, outcome }: { [name: string]: unknown }) => [seq, step, outcome])).toEqual([
      [0, 'answer', 'done'],
      [1, 'first', 'match'],
      [2, 'second', 'match'],
      [3, 'yes', 'completed'],
    ]);

    // The first node still holds the call open, and writes a record of its own as it ends.
    expect(await activeOn(a)).toBe(1);
    await a.process.stop();
    await eventually(
      () => api('GET', '/api/orgs/acme/calls'),
      ({ body }) => body.items.length === 1 && body.items[0].outcome === 'completed',
    );
    a = await startBot('node-a');
    expect(await calls()).toMatchObject([{ call_id: first.body.call_id, outcome: 'completed' }]);
  });

  test('a call from Twilio goes on by the addresses in its answers', async () => {
    const post = async (url: string, fields: object) => {
      const form = { CallSid: 'CA1', From: '+15550123', To: '+15550100', CallStatus: 'in-progress', ...fields };
      const response = await fetch(url, {
        method: 'POST',
        body: new URLSearchParams(form),
        headers: { 'x-organization-secret': key },
      });
      return readXml(await response.text());
    };
    const first = await post(`${a.url}?dialect=twiml`, {});
    expect(first.children[0]).toMatchObject({ name: 'Gather', children: [{ text: 'First & foremost?' }] });
    const second = await post(first.children[0]?.attributes['action'] ?? '', { Digits: '1' });
    const action = second.children[0]?.attributes['action'] ?? '';
    expect(action.startsWith(a.url)).toBe(true);
    const end = await post(action.replace(a.url, b.url), { Digits: '' });
    expect(end.children.map(({ name }) => name)).toEqual(['Hangup']);
    await eventually(calls, (items) =>
      items.some((item: { [name: string]: unknown }) => item['caller'] === '+15550123' && item['disposition'] === 'NO'),
    );
  });

  test('nobody without a proof is heard, on the port of calls or elsewhere', async () => {
    const response = await fetch(a.url, {
      method: 'POST',
      body: '{"event":"start"}',
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(401);
    expect((await fetch(new URL('/healthz', a.url))).status).toBe(404);
    const metrics = await (await fetch(`http://127.0.0.1:${a.opsPort}/metrics`)).text();
    expect(metrics).toContain('voiceoi_webhook_request_seconds_count{org="acme",dialect="json",code="401"} 1');
  });
});
