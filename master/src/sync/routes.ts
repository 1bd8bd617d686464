import { Bundle, type Change, OrgId, SyncAnswer } from '@voiceoi/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type, { type Static } from 'typebox';
import type { Database } from '../database/index.ts';
import { type App, type Feature, ProblemError, route } from '../http/index.ts';
import { type Bundles, type Head, type PreparedBundle, readHead } from './bundles.ts';
import type { CatchUp, CatchUpFrom } from './catch-up.ts';
import { chooseEncoding, type EncodedText, encodedText } from './encoding.ts';
import type { ChangeFeed, OrdersAfter } from './feed.ts';
import type { FrameSource } from './frames.ts';
import { serveStream } from './stream.ts';

interface SyncOptions {
  readonly database: Database;
  readonly bundles: Bundles;
  readonly catchUpFrom: CatchUpFrom;
  readonly frames: FrameSource;
  readonly feed: ChangeFeed;
  readonly ordersAfter: OrdersAfter;
}

const Query = Type.Object(
  {
    org_id: OrgId,
    since: Type.Optional(Type.Integer({ minimum: 0, description: 'Revision that the node has' })),
    epoch: Type.Optional(Type.String({ maxLength: 64, description: 'Epoch of that revision' })),
  },
  { additionalProperties: false },
);

const STREAM = route({
  id: 'streamChanges',
  tag: 'sync',
  summary: 'Changes as they are committed, as server-sent events',
  description:
    '`change`: a signed change; `full`: a whole bundle; both with the id `<epoch>:<revision>`; `order`: a signed node order. `ping` every 15 s, with what the stream has brought so far.',
  access: 'node',
  query: Query,
  answers: { 200: Type.String() },
  problems: ['OVERLOADED'],
});
const EVENTS = { description: 'Events', content: { 'text/event-stream': { schema: Type.String() } } };

/** Configuration for nodes: whole, by difference, and as a stream. */
export function syncRoutes({ database, bundles, catchUpFrom, frames, feed, ordersAfter }: SyncOptions): Feature {
  const streams = new Set<FastifyReply['raw']>();
  let isClosing = false;
  return (app: App) => {
    app.addHook('preClose', async () => {
      isClosing = true;
      for (const response of streams) response.end();
    });

    app.get(
      '/api/sync/campaigns',
      route({
        id: 'getBundle',
        tag: 'sync',
        summary: 'The whole bundle, or what has changed since a revision',
        description:
          'With `since` and `epoch` the answer says what it is (`intent`); without them it is the bundle, with ETag, 304, gzip and brotli.',
        access: 'node',
        query: Query,
        answers: { 200: Type.Union([Bundle, SyncAnswer]), 304: null },
      }),
      async (request, reply) => {
        const { org_id: orgId } = request.query;
        const position = positionOf(request.query);
        reply
          .header('x-voiceoi-time', Date.now())
          .header('cache-control', 'no-cache')
          .header('vary', 'accept-encoding');
        if (!position) return sendBundle(request, reply, await bundles.current(orgId));
        return sendCatchUp(request, reply, await catchUpFrom(orgId, position), () => bundles.current(orgId));
      },
    );

    app.get(
      '/api/sync/stream',
      {
        config: STREAM.config,
        schema: { ...STREAM.schema, response: { ...Object(STREAM.schema.response), 200: EVENTS } },
        exposeHeadRoute: false,
      },
      async (request, reply) => {
        const { org_id: orgId } = request.query;
        // Fails before the stream begins where the organization is not there.
        await readHead(database, orgId);
        if (isClosing) throw new ProblemError('OVERLOADED', 'This master stops', { headers: { 'retry-after': '1' } });
        reply.hijack();
        const response = reply.raw;
        response.writeHead(200, {
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
          'x-voiceoi-time': String(Date.now()),
        });
        response.flushHeaders();
        streams.add(response);
        const generation = generationOf(request);
        const position = positionOf(request.query);
        const orders = () => ordersAfter(orgId, undefined);
        await serveStream({ response, orgId, generation, frames, feed, position, orders })
          .catch((error: unknown) => {
            request.log.warn({ err: error, org: orgId }, 'a stream of changes was cut');
            response.destroy();
          })
          .finally(() => streams.delete(response));
      },
    );
  };
}

/** The whole bundle, unless the node has it. */
async function sendBundle(request: FastifyRequest, reply: FastifyReply, bundle: PreparedBundle): Promise<FastifyReply> {
  reply.header('etag', bundle.etag);
  if (hasTag(request.headers['if-none-match'], bundle.etag)) return reply.code(304).send();
  return sendText(request, reply, bundle.body);
}

/** What brings a node on. What it could not take up is left out: changes that are only announced, or signed by a key that it does not have. */
async function sendCatchUp(
  request: FastifyRequest,
  reply: FastifyReply,
  next: CatchUp,
  whole: () => Promise<PreparedBundle>,
): Promise<FastifyReply> {
  if (next.intent === 'none') return sendText(request, reply, encodedText('{"intent":"none"}'));
  if (next.intent === 'changes' && next.messages.every(({ change }) => isTakenBy(request, change)))
    return sendText(
      request,
      reply,
      encodedText(`{"intent":"changes","changes":[${next.messages.map(({ text }) => text).join(',')}]}`),
    );
  return sendText(request, reply, (next.intent === 'full' ? next.bundle : await whole()).answer);
}

function isTakenBy({ principal }: FastifyRequest, { hint, kid }: Change): boolean {
  return hint !== true && principal.kind === 'node' && kid === String(principal.generation);
}

/** Texts shorter than this go as they are. */
const SHORT = 1024;

async function sendText(request: FastifyRequest, reply: FastifyReply, body: EncodedText): Promise<FastifyReply> {
  const header = request.headers['accept-encoding'];
  const encoding = body.text.length < SHORT ? undefined : chooseEncoding(Array.isArray(header) ? header[0] : header);
  reply.type('application/json; charset=utf-8');
  if (!encoding) return reply.send(body.text);
  return reply.header('content-encoding', encoding).send(await body.encoded(encoding));
}

/** Weak comparison (RFC 9110, 13.1.2). */
function hasTag(header: string | undefined, etag: string): boolean {
  const opaque = (tag: string): string => tag.trim().replace(/^W\//, '');
  return header?.trim() === '*' || (header?.split(',').map(opaque).includes(opaque(etag)) ?? false);
}

function positionOf({ since, epoch }: Static<typeof Query>): Head | undefined {
  return since === undefined ? undefined : { epoch: epoch ?? '', revision: since };
}

function generationOf({ principal }: FastifyRequest): number {
  return principal.kind === 'node' ? principal.generation : 0;
}
