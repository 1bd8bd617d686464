import { createServer } from 'node:http';
import { CallEventRecord, CallRecord, CallStartRecord } from '@voiceoi/contracts';
import { createLogger, createMetrics } from '@voiceoi/kernel';
import type { Effect, EffectResult } from '@voiceoi/script';
import { Check } from 'typebox/value';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createOutbound } from '../outbound/index.ts';
import type { QueuedRecord } from '../spool/index.ts';
import { makePlayable, type PlayableOrg } from '../sync/playable.ts';
import { testCampaign, testContent, testScript } from '../sync/sync.test-data.ts';
import { admit } from './admission.ts';
import { createDesk, type NodeDesk } from './desk.ts';
import type { CallChannel, IncomingCall } from './ports.ts';
import { uuidv7 } from './uuid.ts';

const menu = {
  schema: 'voiceoi/script/v1',
  entry: 'answer',
  on_hangup: 'left',
  limits: { max_call_seconds: 1 },
  steps: {
    answer: { type: 'answer', next: 'menu' },
    menu: { type: 'gather', on: { '1': 'yes', timeout: 'no', invalid: 'no' } },
    yes: { type: 'return', disposition: 'YES' },
    no: { type: 'return', disposition: 'NO' },
    left: { type: 'dispose', disposition: 'AB', next: 'no' },
  },
};

let desk: NodeDesk | undefined;
afterEach(() => desk?.close());

interface World {
  readonly desk: NodeDesk;
  readonly records: () => readonly { readonly [name: string]: unknown }[];
  readonly metrics: () => Promise<string>;
  publish(org: PlayableOrg): void;
}

function world(
  changes: {
    readonly org?: PlayableOrg | undefined;
    readonly maxCalls?: number;
    readonly secrets?: { readonly [name: string]: string };
    readonly isDraining?: (orgId: string) => boolean;
    readonly settled?: () => Promise<void>;
  } = {},
): World {
  const queued: QueuedRecord[] = [];
  const metrics = createMetrics({ mode: 'test', version: '0' });
  let org = 'org' in changes ? changes.org : makePlayable(testContent(1, { scripts: [testScript('s', 1, menu)] }), 'a');
  const made = createDesk({
    nodeId: 'n1',
    isDraining: changes.isDraining ?? (() => false),
    configuration: {
      serves: (orgId) => orgId === 'abc',
      onlyOrg: 'abc',
      playable: () => org,
      secrets: () => new Map(Object.entries(changes.secrets ?? {})),
      status: () => [],
      stop: async () => {},
    },
    sink: {
      append: (_orgId, records) => void queued.push(...records),
      settled: changes.settled ?? (async () => {}),
      flush: async () => {},
      stats: () => ({ bytes: 0, dropped: 0, dead_letters: 0 }),
      stop: async () => {},
    },
    outbound: createOutbound(),
    log: createLogger({ level: 'silent', mode: 'test' }),
    metrics,
    maxCalls: changes.maxCalls ?? 10,
  });
  desk = made;
  return {
    desk: made,
    records: () => queued.map(({ text }) => JSON.parse(text)),
    metrics: () => metrics.registry.metrics(),
    publish: (next) => {
      org = next;
    },
  };
}

const incoming = (changes: Partial<IncomingCall> = {}): IncomingCall => ({
  org_id: 'abc',
  campaign_id: '1',
  args: {},
  lead: {},
  caller: { number: '"+1\n', name: '' },
  channel: 'SIP/1',
  unique_id: '1',
  dnid: '',
  context: '',
  extension: '',
  language: 'en',
  accepted_at: performance.now(),
  ...changes,
});

/** A telephone whose effects are answered by a function. */
class TestChannel implements CallChannel {
  readonly #answer: (effect: Effect, channel: TestChannel) => EffectResult | Promise<EffectResult>;
  readonly written = new Map<string, string>();
  readonly #whenGone: (() => void)[] = [];
  readonly gone = new Promise<void>((resolve) => this.#whenGone.push(resolve));
  hungUp = false;
  closed = false;
  firstCommandAt: number | undefined;
  lastReplyAt = performance.now();
  lastCommandAt = performance.now();
  #abort: (() => void) | undefined;

  constructor(answer: (effect: Effect, channel: TestChannel) => EffectResult | Promise<EffectResult>) {
    this.#answer = answer;
  }

  hangUp(): void {
    this.hungUp = true;
    for (const resolve of this.#whenGone) resolve();
  }

  async perform(effect: Effect): Promise<EffectResult> {
    this.lastCommandAt = performance.now();
    const aborted = new Promise<EffectResult>((resolve) => {
      this.#abort = () => resolve({ kind: 'failed', reason: 'aborted' });
    });
    const result = await Promise.race([this.#answer(effect, this), aborted]);
    this.lastReplyAt = performance.now();
    return result;
  }

  async readVariables(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return new Map(names.map((name) => [name, `value of ${name}`]));
  }

  async setVariables(variables: readonly { readonly name: string; readonly value: string }[]): Promise<void> {
    this.firstCommandAt ??= performance.now();
    for (const { name, value } of variables) this.written.set(name, value);
  }

  close(): void {
    this.closed = true;
  }

  abort(): void {
    this.#abort?.();
  }
}

const pressing =
  (digits: string) =>
  (effect: Effect): EffectResult =>
    effect.kind === 'gather'
      ? { kind: 'gathered', digits, ended_by: digits ? 'max_digits' : 'timeout' }
      : { kind: 'done' };

async function take(made: World, channel: TestChannel, call = incoming()): Promise<void> {
  const admission = made.desk.admit(call);
  if (admission.kind !== 'taken') throw new Error(`refused: ${admission.detail}`);
  await admission.run(channel);
}

describe('a call', () => {
  test('plays its script, tells the channel what came of it, and leaves records that fit the contract', async () => {
    const made = world();
    const channel = new TestChannel(pressing('1'));
    await take(made, channel);
    expect(Object.fromEntries(channel.written)).toEqual({
      VOICEOI_CALL_ID: expect.stringMatching(/^[0-9a-f-]{36}$/),
      VOICEOI_OUTCOME: 'completed',
      VOICEOI_DISPOSITION: 'YES',
    });
    expect(channel.closed).toBe(true);
    const records = made.records();
    expect(records.map(({ type }) => type)).toEqual(['call_start', 'call_event', 'call_event', 'call_event', 'call']);
    expect(Check(CallStartRecord, records[0])).toBe(true);
    for (const event of records.slice(1, 4)) expect(Check(CallEventRecord, event)).toBe(true);
    expect(Check(CallRecord, records[4])).toBe(true);
    expect(records[4]).toMatchObject({
      outcome: 'completed',
      disposition: 'YES',
      steps: 3,
      version: 1,
      caller: '"+1\n',
      answered_at: expect.any(String),
      first_command_ms: expect.any(Number),
      slowest_turn_ms: expect.any(Number),
    });
    expect(records.slice(1, 4).map(({ seq, step, outcome }) => [seq, step, outcome])).toEqual([
      [0, 'answer', 'done'],
      [1, 'menu', '1'],
      [2, 'yes', 'completed'],
    ]);
    expect(new Set(records.map(({ id }) => id)).size).toBe(5);
    const text = await made.metrics();
    expect(text).toContain('voiceoi_calls_total{org="abc",campaign="1",outcome="completed"} 1');
    expect(text).toContain('voiceoi_agi_first_command_seconds_count{org="abc",campaign="1"} 1');
    expect(text).toContain('voiceoi_agi_turn_seconds_count{org="abc",step_type="gather"} 1');
  });

  test('ends as caller_hangup when the caller leaves, with what on_hangup says', async () => {
    const made = world();
    const channel = new TestChannel((effect, telephone) => {
      if (effect.kind !== 'gather') return { kind: 'done' };
      telephone.hangUp();
      return { kind: 'failed', reason: 'the caller is gone' };
    });
    await take(made, channel);
    expect(made.records().at(-1)).toMatchObject({ outcome: 'caller_hangup', disposition: 'NO' });
    expect(channel.written.get('VOICEOI_OUTCOME')).toBe('caller_hangup');
  });

  test('ends as limit when its time is over, although the telephone says nothing', async () => {
    const made = world();
    const channel = new TestChannel((effect) => (effect.kind === 'gather' ? new Promise(() => {}) : { kind: 'done' }));
    await take(made, channel);
    expect(made.records().at(-1)).toMatchObject({ outcome: 'limit' });
    expect(channel.closed).toBe(true);
  });

  test('goes back to the dialplan as failed when something unexpected happens', async () => {
    const made = world();
    const channel = new TestChannel(() => {
      throw new Error('unheard of');
    });
    await take(made, channel);
    expect(made.records().at(-1)).toMatchObject({ outcome: 'failed', reason: 'unexpected error' });
    expect(channel.closed).toBe(true);
    expect(made.desk.activeCalls).toBe(0);
  });

  test('keeps the version it began with over a publish', async () => {
    const made = world();
    const channel = new TestChannel((effect) => {
      if (effect.kind === 'answer')
        made.publish(
          makePlayable(testContent(2, { campaigns: [testCampaign('1', 2)], scripts: [testScript('s', 2)] }), 'b'),
        );
      return pressing('1')(effect);
    });
    await take(made, channel);
    await take(made, new TestChannel(pressing('')));
    const calls = made.records().filter(({ type }) => type === 'call');
    expect(calls.map(({ version, disposition }) => [version, disposition])).toEqual([
      [1, 'YES'],
      [2, 'V2'],
    ]);
  });

  test('reads the campaign’s lead variables before the first step', async () => {
    const document = {
      schema: 'voiceoi/script/v1',
      entry: 'a',
      steps: {
        a: { type: 'dispose', disposition: 'X', comment: '{{ lead.first_name }}', next: 'b' },
        b: { type: 'return' },
      },
    };
    const org = makePlayable(
      testContent(1, {
        campaigns: [testCampaign('1', 1, { lead_variables: ['first_name'] })],
        scripts: [testScript('s', 1, document)],
      }),
      'a',
    );
    const made = world({ org });
    await take(made, new TestChannel(pressing('')));
    expect(made.records().at(-1)).toMatchObject({ comment: 'value of first_name' });
  });
});

describe('admission', () => {
  const refused = (made: World, changes: Partial<IncomingCall> = {}) => {
    const admission = made.desk.admit(incoming(changes));
    return admission.kind === 'refused' ? admission.reason : 'taken';
  };

  test('refuses for each reason, records it where the organization is known, and counts it', async () => {
    const paused = makePlayable(
      testContent(1, {
        campaigns: [testCampaign('1', 1, { status: 'paused' }), testCampaign('2', null), testCampaign('3', 9)],
      }),
      'a',
    );
    const made = world({ org: paused });
    expect(refused(made)).toBe('campaign_paused');
    expect(refused(made, { campaign_id: '2' })).toBe('no_script');
    expect(refused(made, { campaign_id: '3' })).toBe('script_broken');
    expect(refused(made, { campaign_id: 'x' })).toBe('unknown_campaign');
    expect(refused(made, { org_id: 'nobody' })).toBe('unknown_org');
    const { campaign_id: _campaign, ...without } = incoming();
    expect(made.desk.admit(without)).toMatchObject({ reason: 'bad_request' });
    const records = made.records();
    expect(records.map(({ outcome, reason }) => [outcome, reason])).toEqual(
      ['campaign_paused', 'no_script', 'script_broken', 'unknown_campaign', 'bad_request'].map((reason) => [
        'refused',
        reason,
      ]),
    );
    for (const record of records) expect(Check(CallRecord, record)).toBe(true);
    expect(await made.metrics()).toContain('voiceoi_calls_refused_total{reason="unknown_org"} 1');
    expect(refused(world({ org: undefined }))).toBe('no_configuration');
  });

  test('takes as many calls as it may, and none once it is told to stop; idle waits for those in flight', async () => {
    const made = world({ maxCalls: 1 });
    let finish: (result: EffectResult) => void = () => {};
    const channel = new TestChannel((effect) =>
      effect.kind === 'answer'
        ? new Promise((resolve) => {
            finish = resolve;
          })
        : pressing('1')(effect),
    );
    const running = take(made, channel);
    expect(made.desk.activeCalls).toBe(1);
    expect(refused(made)).toBe('at_capacity');
    made.desk.stopTaking();
    expect(refused(made)).toBe('draining');
    const idle = made.desk.idle(10_000);
    finish({ kind: 'done' });
    await Promise.all([running, idle]);
    expect(made.desk.activeCalls).toBe(0);
  });

  test('refuses the calls of an organization that it was ordered to drain for, as their records say', async () => {
    let isDraining = true;
    const made = world({ isDraining: (orgId) => isDraining && orgId === 'abc' });
    expect(made.desk.admit(incoming())).toMatchObject({
      reason: 'draining',
      detail: expect.stringContaining('no new calls of this organization'),
    });
    expect(made.records()).toMatchObject([{ outcome: 'refused', reason: 'draining' }]);
    isDraining = false;
    await take(made, new TestChannel(pressing('1')));
    expect(made.records().at(-1)).toMatchObject({ outcome: 'completed' });
  });

  test('closes a call when its record is safe, and not before', async () => {
    let safe: () => void = () => {};
    const settled = new Promise<void>((resolve) => {
      safe = resolve;
    });
    const made = world({ settled: () => settled });
    const channel = new TestChannel(pressing('1'));
    const running = take(made, channel);
    await vi.waitFor(() => expect(channel.written.get('VOICEOI_DISPOSITION')).toBe('YES'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(made.records().at(-1)).toMatchObject({ type: 'call', disposition: 'YES' });
    expect(channel.closed).toBe(false);
    safe();
    await running;
    expect(channel.closed).toBe(true);
  });

  test('has the one that it refuses wait for its record, where it leaves one', () => {
    const settled = Promise.resolve();
    const made = world({ settled: () => settled });
    expect(made.desk.admit(incoming({ campaign_id: 'none' }))).toMatchObject({ kind: 'refused', settled });
    expect(made.desk.admit(incoming({ org_id: 'other' }))).not.toHaveProperty('settled');
  });

  test('ends what is still in flight when the node has no more time, with its variables and its record', async () => {
    const made = world();
    const channel = new TestChannel((effect) => (effect.kind === 'gather' ? new Promise(() => {}) : { kind: 'done' }));
    const running = take(made, channel);
    await new Promise((resolve) => setImmediate(resolve));
    made.desk.cutAll('the node is ending', 100);
    await Promise.all([running, made.desk.idle(5000)]);
    expect(channel.written.get('VOICEOI_OUTCOME')).toBe('failed');
    expect(made.records().at(-1)).toMatchObject({ outcome: 'failed', reason: 'the node is ending' });
  });

  test('gives a canary its share of the calls', () => {
    const campaign = testCampaign('1', 1, { canary: { version: 2, percent: 25 } });
    const org = makePlayable(
      testContent(1, { campaigns: [campaign], scripts: [testScript('s', 1), testScript('s', 2)] }),
      'a',
    );
    const view = {
      onlyOrg: 'abc',
      serves: () => true,
      playable: () => org,
      activeCalls: 0,
      maxCalls: 1,
      isTakingCalls: true,
      isDraining: () => false,
      nodeId: 'n1',
    };
    const versions = Array.from({ length: 4000 }, () => {
      const admitted = admit(incoming(), uuidv7(), view);
      return admitted.kind === 'admitted' ? admitted.script.version : 0;
    });
    const share = versions.filter((version) => version === 2).length / versions.length;
    expect(new Set(versions)).toEqual(new Set([1, 2]));
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.3);
  });

  test('gives a canary to the nodes that it names, and to no other', () => {
    const campaign = testCampaign('1', 1, { canary: { version: 2, node_ids: ['n2'] } });
    const org = makePlayable(
      testContent(1, { campaigns: [campaign], scripts: [testScript('s', 1), testScript('s', 2)] }),
      'a',
    );
    const versionOn = (nodeId: string) => {
      const admitted = admit(incoming(), uuidv7(), {
        onlyOrg: 'abc',
        serves: () => true,
        playable: () => org,
        activeCalls: 0,
        maxCalls: 1,
        isTakingCalls: true,
        isDraining: () => false,
        nodeId,
      });
      return admitted.kind === 'admitted' ? admitted.script.version : 0;
    };
    expect([versionOn('n1'), versionOn('n2')]).toEqual([1, 2]);
  });
});

describe('a secret', () => {
  const SECRET = 'S3cret-that-nobody-sees';
  const hook = {
    type: 'webhook',
    method: 'POST',
    url: 'http://127.0.0.1:PORT/{{ secret.crm_token }}',
    headers: { Authorization: 'Bearer {{ secret.crm_token }}' },
    body: { token: '{{ secret.crm_token }}' },
    on: { ok: 'end', error: 'end', timeout: 'end' },
  };
  const orgOf = (step: object, port = 1): PlayableOrg => {
    const text = JSON.stringify(step).replace('PORT', String(port));
    const steps = { hook: JSON.parse(text), end: { type: 'return' } };
    const script = testScript('s', 1, { schema: 'voiceoi/script/v1', entry: 'hook', steps });
    return makePlayable(testContent(1, { scripts: [script], settings: { webhook_allow: ['127.0.0.1'] } }), 'a');
  };

  test('goes out with a webhook, and is in no record of the call', async () => {
    const seen: string[] = [];
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      seen.push(`${request.url} ${request.headers.authorization} ${body}`);
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const made = world({ org: orgOf(hook, port), secrets: { crm_token: SECRET } });
    await take(made, new TestChannel(pressing('')));
    server.close();
    server.closeAllConnections();
    expect(seen).toEqual([`/${SECRET} Bearer ${SECRET} {"token":"${SECRET}"}`]);
    expect(JSON.stringify(made.records())).not.toContain(SECRET);
    const event = made.records().find(({ type, step }) => type === 'call_event' && step === 'hook');
    expect(event).toMatchObject({
      outcome: 'ok',
      detail: [{ kind: 'http', headers: { Authorization: 'Bearer ***' }, body: '{"token":"***"}', status: 200 }],
    });
  });

  test.each([
    ['the host', { ...hook, url: 'http://{{ secret.crm_token }}.invalid/' }],
    ['a refused address', { ...hook, url: 'http://{{ secret.crm_token }}@10.0.0.1/' }],
    ['a port', { ...hook, url: 'http://127.0.0.1:{{ secret.crm_token }}/' }],
    ['what is computed', { ...hook, url: 'http://127.0.0.1:{{ int(secret.crm_token) }}/' }],
    ['the name of a header', { ...hook, headers: { 'X-A': '{{ secret.crm_token }}\r\nX' } }],
  ])('is in no record of a call that fails by it, in %s', async (_what, step) => {
    const made = world({ org: orgOf(step), secrets: { crm_token: SECRET } });
    await take(made, new TestChannel(pressing('')));
    const text = JSON.stringify(made.records()).toLowerCase();
    expect(text).toContain('"outcome":"error"');
    expect(text).not.toContain(SECRET.toLowerCase());
  });

  test('of another name fails the step, and the call goes on', async () => {
    const made = world({ org: orgOf(hook), secrets: { other: SECRET } });
    await take(made, new TestChannel(pressing('')));
    expect(made.records().at(-1)).toMatchObject({ outcome: 'completed' });
  });
});
