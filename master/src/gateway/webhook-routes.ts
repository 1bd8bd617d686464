import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { CampaignParams } from '@voiceoi/contracts';
import { type Counter, type Logger, withoutUrlSignature } from '@voiceoi/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { type App, type Feature, notFound, ProblemError, queryOf, route } from '../http/index.ts';
import type { OrgKeys } from '../keys/index.ts';
import { cappedBytes } from './capped-bytes.ts';
import type { Forwarded, Forwarder, Outgoing } from './forward.ts';
import { answerHeaders, type Headers, requestHeaders } from './headers.ts';
import type { Candidate, Flight, NodeLoads } from './node-choice.ts';
import type { OrgViews } from './org-views.ts';
import type { RateLimit } from './rate-limit.ts';
import { checkSignedRequest } from './signed-request.ts';

export interface WebhookRouteOptions {
  readonly keys: Pick<OrgKeys, 'good'>;
  readonly views: OrgViews;
  readonly loads: NodeLoads;
  readonly forwarder: Forwarder;
  readonly limit: RateLimit;
  /** By `outcome`. */
  readonly requests: Counter<'outcome'>;
  readonly publicUrl: string;
  readonly log: Logger;
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const MOST_BYTES = 256 * 1024;
const MOST_ANSWER_BYTES = 1024 * 1024;
const RETRY_SECONDS = '2';
/** Nodes that are tried for one request: more that do not answer are an outage, and whoever asks should hear of it. */
const MOST_TRIES = 4;
const IDEMPOTENT = /^(GET|HEAD|PUT|DELETE|OPTIONS)$/;

interface Params {
  readonly org_id: string;
  readonly campaign_id: string;
}

const ANYTHING = Type.Unknown({ description: 'What the node answers' });

/** Requests of telephone services, passed on to a node of the organization. */
export function webhookRoutes(options: WebhookRouteOptions): Feature {
  return (app: App) => {
    // A body is passed on as it is.
    app.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MOST_BYTES }, (_request, body, done) =>
        done(null, body),
      );
      for (const method of METHODS)
        scope.withTypeProvider<TypeBoxTypeProvider>().route({
          method,
          url: '/gateway/:org_id/webhook/:campaign_id',
          ...route({
            id: `gatewayWebhook${method[0]}${method.slice(1).toLowerCase()}`,
            tag: 'gateway',
            summary: `${method} /webhook/{org_id}/{campaign_id} of the organization’s least busy node`,
            description: 'With an access token, an API token, or as a signed URL. At most 256 KiB.',
            access: 'call.place',
            takesSignedUrl: true,
            params: CampaignParams,
            answers: { 200: ANYTHING },
            problems: ['TOO_LARGE', 'TOO_MANY_REQUESTS', 'NODE_FAILED', 'NO_NODE', 'NODE_TIMEOUT'],
          }),
          handler: (request, reply) => pass(options, request, request.params, reply),
        });
    });
  };
}

async function pass(
  options: WebhookRouteOptions,
  request: FastifyRequest,
  params: Params,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { keys, views, limit, requests } = options;
  const { org_id: orgId } = params;
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  // Nobody else gets here without a role: the guard has let it through for its signature alone.
  const isSigned = request.principal.kind === 'anonymous';
  if (isSigned) await checkSignedRequest(keys, request, orgId, body);
  const view = await views.of(orgId);
  if (!view) throw notFound(`organization "${orgId}"`);
  const waitSeconds = limit.take(orgId, view.requestsPerSecond);
  if (waitSeconds !== undefined) {
    requests.inc({ outcome: 'limited' });
    throw new ProblemError('TOO_MANY_REQUESTS', `At most ${view.requestsPerSecond} requests in a second`, {
      headers: { 'retry-after': String(waitSeconds) },
    });
  }
  const query = queryOf(request);
  const forwarded = {
    method: request.method,
    path: withQuery(webhookPath(params), isSigned ? withoutUrlSignature(query) : query),
    headers: headersOf(request, options.publicUrl),
    body,
    signal: goneSignal(reply),
  };
  return forward(options, view.candidates, forwarded, reply);
}

function webhookPath({ org_id: orgId, campaign_id: campaignId }: Params): string {
  return `/webhook/${orgId}/${campaignId}`;
}

function withQuery(path: string, query: string): string {
  return query === '' ? path : `${path}?${query}`;
}

function headersOf(request: FastifyRequest, publicUrl: string): Headers {
  return {
    ...requestHeaders(request.headers),
    'x-request-id': request.id,
    // As the client saw it: Twilio signs the address that it was given.
    'x-voiceoi-public-url': `${publicUrl}${request.raw.url ?? ''}`,
  };
}

/** Aborts once whoever asked is gone. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}

/** Tries nodes as long as none can have begun with the request. */
async function forward(
  { loads, forwarder, requests, log }: WebhookRouteOptions,
  candidates: readonly Candidate[],
  request: Outgoing,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const reachable = candidates.filter(({ url, secret }) => url && secret);
  const tried = new Set<string>();
  for (let tries = 0; tries < MOST_TRIES && !request.signal.aborted; tries++) {
    const node = loads.choose('request', reachable, tried);
    if (!node?.url || !node.secret) break;
    tried.add(node.key);
    const flight = loads.start('request', node);
    const headers = { ...request.headers, 'x-organization-secret': node.secret };
    const result = await forwarder
      .send(node.url, node.isFromLoopback, { ...request, headers })
      .catch((error: Error): Forwarded => ({ kind: 'failed', error, isTimeout: false }));
    if (result.kind === 'answer') {
      requests.inc({ outcome: 'answered' });
      return answer(reply, result.response, flight);
    }
    flight.end();
    if (request.signal.aborted) break;
    log.warn({ node: node.key, err: result.error }, 'a node did not take a request of the gateway');
    if (result.kind === 'unreachable') loads.avoid('request', node);
    else if (result.isTimeout || !IDEMPOTENT.test(request.method)) throw failed(requests, result.isTimeout);
  }
  requests.inc({ outcome: 'no_node' });
  throw new ProblemError('NO_NODE', 'No node of the organization is ready and has room', {
    headers: { 'retry-after': RETRY_SECONDS },
  });
}

function failed(requests: Counter<'outcome'>, isTimeout: boolean): ProblemError {
  requests.inc({ outcome: isTimeout ? 'timeout' : 'failed' });
  return isTimeout
    ? new ProblemError('NODE_TIMEOUT', 'The node took the request and did not answer in time')
    : new ProblemError('NODE_FAILED', 'The node took the request, or a part of it, and broke off');
}

/** Passes an answer on as it comes; one that is too large, or stops, breaks off. */
function answer(reply: FastifyReply, response: IncomingMessage, flight: Flight): FastifyReply {
  const body = cappedBytes(MOST_ANSWER_BYTES);
  pipeline(response, body, () => flight.end());
  for (const [name, value] of Object.entries(answerHeaders(response.headers))) reply.header(name, value);
  return reply.code(response.statusCode ?? 502).send(body);
}
