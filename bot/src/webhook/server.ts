import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Logger, labelBound, type Metrics } from '@voiceoi/kernel';
import type { TurnDesk } from '../calls/index.ts';
import { type Credentials, lookAt, lookAtBody, type NodeKey, type Proofs } from './authenticate.ts';
import { isOfType, readBody } from './body.ts';
import { Conversations } from './conversations.ts';
import { dialectOf } from './dialects/index.ts';
import { refusal } from './problem.ts';
import { type Reply, refused, said, send } from './reply.ts';
import { addressOf, argumentsOf, nextUrl } from './urls.ts';

/** What a webhook server needs. */
export interface WebhookServerOptions {
  readonly host: string;
  readonly port: number;
  readonly desk: TurnDesk;
  /** Keys of an organization, the newest first; empty when this node does not serve it. */
  readonly keysOf: (orgId: string) => readonly NodeKey[];
  /** A secret of an organization, in the clear. */
  readonly secretOf: (orgId: string, name: string) => string | undefined;
  /** How this node is reached, from the port that it got. */
  readonly advertiseUrl: (port: number) => string;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** A running webhook server; `port` is the one it got. */
export interface WebhookServer {
  readonly port: number;
  /** Stops listening, answers what is being answered, and closes what is open. */
  close(): Promise<void>;
}

const MOST_BODY = 256 * 1024;
const REQUEST_MS = 10_000;
const KEEP_ALIVE_MS = 65_000;
/** How long answers may still be written as the server closes. */
const CLOSE_MS = 2000;
/** The state travels in the address: Node’s own 16 KiB for all headers would do, a little more is safer. */
const MOST_HEADERS = 32 * 1024;
const MOST_ORGS = 200;
const PATH = /^\/webhook\/([a-z0-9][a-z0-9-]{0,31})\/([A-Za-z0-9_-]{1,32})$/;

interface World {
  readonly options: WebhookServerOptions;
  readonly proofs: Proofs;
  readonly conversations: Conversations;
}

/**
 * Listens for calls over webhooks.
 * @throws the listening error, with its `code`
 */
export async function startWebhookServer(options: WebhookServerOptions): Promise<WebhookServer> {
  const { desk, keysOf, secretOf, log } = options;
  const conversations = new Conversations({ desk, keysOf });
  const observe = observer(options);
  let isClosing = false;
  const server = createServer({ maxHeaderSize: MOST_HEADERS, noDelay: true }, (request, response) => {
    const startedAt = performance.now();
    const advertiseUrl = options.advertiseUrl(portOf(server.address()));
    const world = { options, conversations, proofs: { keysOf, secretOf, advertiseUrl, now: Date.now } };
    answer(request, world, startedAt)
      .catch((error: unknown): Reply => {
        // A connection that was lost while its body came: nobody reads the answer.
        if (!request.destroyed) log.error({ err: error }, 'a webhook request failed');
        return refused(refusal(500, 'INTERNAL', 'unexpected error'), true);
      })
      .then((reply) => {
        // What is left of the body is passed over, so that whoever still sends it hears the answer.
        if (reply.closes) request.resume();
        send(response, isClosing ? { ...reply, closes: true } : reply);
        observe(request.url ?? '', reply.status, performance.now() - startedAt);
      });
  });
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS / 2;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog: 4096 }, () => {
      server.off('error', reject);
      server.on('error', (error) => log.error({ err: error }, 'the webhook port could not accept a connection'));
      resolve();
    });
  });
  return {
    port: portOf(server.address()),
    close: () => {
      conversations.close();
      isClosing = true;
      return closeServer(server);
    },
  };
}

/** A call that ends last lets the process end before its answer is on its way. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

async function answer(request: IncomingMessage, world: World, acceptedAt: number): Promise<Reply> {
  const target = request.url ?? '/';
  const { path, query } = addressOf(target);
  const [, orgId, campaignId] = PATH.exec(path) ?? [];
  if (orgId === undefined || campaignId === undefined) return refused(refusal(404, 'NOT_FOUND', 'not here'), true);
  if (request.method !== 'POST') return refused(refusal(405, 'METHOD_NOT_ALLOWED', 'only POST'), true);
  const dialect = dialectOf(query);
  if (!dialect) return refused(refusal(400, 'UNKNOWN_DIALECT', 'dialect is json, twiml or jambonz'), true);
  const credentials = credentialsOf(request, target, path, query);
  const first = lookAt(orgId, credentials, world.proofs);
  if (first.kind === 'bad') return refused(first.refusal, true);
  const body = await readBody(request, MOST_BODY);
  if (!body) return refused(refusal(413, 'PAYLOAD_TOO_LARGE', `a body has at most ${MOST_BODY} bytes`), true);
  const isForm = dialect.name === 'twiml';
  const proven = first.kind === 'good' ? first : lookAtBody(orgId, credentials, body, isForm, world.proofs);
  if ('refusal' in proven) return refused(proven.refusal);
  if (!isOfType(request, dialect.accepts))
    return refused(refusal(415, 'UNSUPPORTED_MEDIA_TYPE', `the dialect ${dialect.name} takes ${dialect.accepts}`));
  const told = dialect.read(body.toString('utf8'), query);
  if ('errors' in told)
    return refused({ status: 400, code: 'VALIDATION_FAILED', detail: 'the request is not valid', errors: told.errors });
  const args = argumentsOf(query);
  const scope = { orgId, campaignId };
  const reply = await world.conversations.answer({ scope, told, dialect, args, acceptedAt });
  if (!reply) return said(dialect, dialect.nothing);
  if ('refusal' in reply) return refused(reply.refusal);
  return said(dialect, dialect.write(reply.answer, nextUrl(proven.url, reply.answer.state)));
}

function credentialsOf(request: IncomingMessage, target: string, path: string, query: URLSearchParams): Credentials {
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  return {
    method: request.method ?? '',
    target,
    path,
    query,
    secret: header('x-organization-secret'),
    twilioSignature: header('x-twilio-signature'),
    publicUrl: header('x-voiceoi-public-url'),
  };
}

function observer({ metrics, keysOf }: WebhookServerOptions): (target: string, status: number, ms: number) => void {
  const seconds = metrics.histogram('voiceoi_webhook_request_seconds', 'Webhook request → answer', [
    'org',
    'dialect',
    'code',
  ]);
  const boundOrg = labelBound(MOST_ORGS);
  return (target, status, ms) => {
    const { path, query } = addressOf(target);
    const orgId = PATH.exec(path)?.[1];
    const org = orgId !== undefined && keysOf(orgId).length > 0 ? boundOrg(orgId) : 'none';
    const dialect = dialectOf(query)?.name ?? 'none';
    seconds.observe({ org, dialect, code: String(status) }, ms / 1000);
  };
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address ? address.port : 0;
}
