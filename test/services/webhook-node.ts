import { createLogger, createMetrics, deriveOrgKey, parseOrgKey } from '@voiceoi/kernel';
import { createDesk, type NodeDesk } from '../../bot/src/calls/index.ts';
import { createOutbound } from '../../bot/src/outbound/index.ts';
import type { QueuedRecord } from '../../bot/src/spool/index.ts';
import { makePlayable, type PlayableOrg } from '../../bot/src/sync/playable.ts';
import { testCampaign, testContent, testScript } from '../../bot/src/sync/sync.test-data.ts';
import type { NodeKey } from '../../bot/src/webhook/authenticate.ts';
import { startWebhookServer } from '../../bot/src/webhook/server.ts';

export function testKey(orgId: string, generation = 1): NodeKey {
  const text = deriveOrgKey('a salt for tests that is long enough', orgId, generation);
  const key = parseOrgKey(text);
  if (!key) throw new Error('a derived key is a key');
  return { text, key };
}

/** Answers, asks for a key, and ends by what was pressed. */
export const MENU = {
  schema: 'voiceoi/script/v1',
  entry: 'answer',
  on_hangup: 'left',
  steps: {
    answer: { type: 'answer', next: 'hello' },
    hello: { type: 'play', prompts: ['https://sounds.example/hello.wav'], next: 'menu' },
    menu: {
      type: 'gather',
      prompts: ['https://sounds.example/menu.wav'],
      attempts: 2,
      on: { '1': 'agent', '2': 'bye', timeout: 'bye', invalid: 'bye' },
    },
    agent: {
      type: 'transfer',
      to: { dial: '+15550100' },
      on: { answered: 'bye', busy: 'bye', no_answer: 'bye', failed: 'bye' },
    },
    bye: { type: 'hangup', disposition: 'NI' },
    left: { type: 'dispose', disposition: 'AB', next: 'end' },
    end: { type: 'return' },
  },
};

export function orgOf(document: object, settings: object = {}, version = 1): PlayableOrg {
  const scripts = [testScript('s', version, { ...document })];
  return makePlayable(
    testContent(version, { scripts, settings, campaigns: [testCampaign('1', version)] }),
    `h${version}`,
  );
}

interface NodeOptions {
  readonly org?: PlayableOrg | undefined;
  readonly nodeId?: string;
  readonly maxCalls?: number;
  readonly keys?: readonly NodeKey[];
  readonly secrets?: { readonly [name: string]: string };
  readonly settled?: () => Promise<void>;
}

export interface TestNode {
  readonly url: string;
  readonly desk: NodeDesk;
  records(): readonly { readonly [name: string]: unknown }[];
  metrics(): Promise<string>;
  publish(org: PlayableOrg | undefined): void;
  /** Sends a request with the organization's key, unless headers are given. */
  post(query: string, body: string, headers?: { readonly [name: string]: string }): Promise<Response>;
  /** The same in the dialect `json`; answers status and body. */
  json(body: object): Promise<TestAnswer>;
  close(): Promise<void>;
}

export interface TestAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was answered
  readonly body: any;
}

/** A desk with a webhook server before it, on a free port. */
export async function startNode(options: NodeOptions = {}): Promise<TestNode> {
  const { keys = [testKey('abc')], secrets = {} } = options;
  const queued: QueuedRecord[] = [];
  const metrics = createMetrics({ mode: 'test', version: '0' });
  const log = createLogger({ level: 'silent', mode: 'test' });
  let org: PlayableOrg | undefined = 'org' in options ? options.org : orgOf(MENU);
  const outbound = createOutbound();
  const desk = createDesk({
    nodeId: options.nodeId ?? 'n1',
    isDraining: () => false,
    configuration: {
      serves: (orgId) => orgId === 'abc',
      onlyOrg: 'abc',
      playable: () => org,
      status: () => [],
      secrets: () => new Map(Object.entries(secrets)),
      stop: async () => {},
    },
    sink: {
      append: (_orgId, records) => void queued.push(...records),
      settled: options.settled ?? (async () => {}),
      flush: async () => {},
      stats: () => ({ bytes: 0, dropped: 0, dead_letters: 0 }),
      stop: async () => {},
    },
    outbound,
    log,
    metrics,
    maxCalls: options.maxCalls ?? 10,
  });
  const server = await startWebhookServer({
    host: '127.0.0.1',
    port: 0,
    desk,
    keysOf: (orgId) => keys.filter(({ key }) => key.orgId === orgId),
    secretOf: (_orgId, name) => secrets[name],
    advertiseUrl: (port) => `http://127.0.0.1:${port}`,
    log,
    metrics,
  });
  const url = `http://127.0.0.1:${server.port}/webhook/abc/1`;
  const secret = { 'x-organization-secret': keys[0]?.text ?? '' };
  const post: TestNode['post'] = (query, body, headers = secret) =>
    fetch(`${url}${query}`, {
      method: 'POST',
      body,
      headers: {
        'content-type': query.includes('twiml') ? 'application/x-www-form-urlencoded' : 'application/json',
        ...headers,
      },
    });
  return {
    url,
    desk,
    records: () => queued.map(({ text }) => JSON.parse(text)),
    metrics: () => metrics.registry.metrics(),
    publish: (next) => {
      org = next;
    },
    post,
    json: async (body) => {
      const response = await post('', JSON.stringify(body));
      return { status: response.status, body: await response.json() };
    },
    close: async () => {
      await server.close();
      desk.close();
      outbound.close();
    },
  };
}
