import { Bundle, OrgId, SyncAnswer } from '@voiceoi/contracts';
import type { OrgKey } from '@voiceoi/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import type { Database } from '../database/index.ts';
import { type App, type Feature, route } from '../http/index.ts';
import type { Bundles, PreparedBundle } from './bundles.ts';
import { changesSince } from './change-messages.ts';
import type { ChangeFeed } from './feed.ts';
import { openStream } from './stream.ts';

interface SyncOptions {
  readonly database: Database;
  readonly bundles: Bundles;
  readonly feed: ChangeFeed;
  readonly keyOf: (orgId: string) => Promise<OrgKey>;
}

const Query = Type.Object(
  {
    org_id: OrgId,
    since: Type.Optional(Type.Integer({ minimum: 0, description: 'Revision that the node has' })),
    epoch: Type.Optional(Type.String({ maxLength: 64, description: 'Epoch of that revision' })),
  },
  { additionalProperties: false },
);

/** A node that is further behind gets a whole bundle. */
const MOST_CHANGES = 200;

/** Configuration for nodes: whole, by difference, and as a stream. */
export function syncRoutes({ database, bundles, feed, keyOf }: SyncOptions): Feature {
  const streams = new Set<FastifyReply['raw']>();
  return (app: App) => {
    app.addHook('preClose', async () => {
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
        const { org_id: orgId, since, epoch } = request.query;
        reply
          .header('x-voiceoi-time', Date.now())
          .header('cache-control', 'no-cache')
          .header('vary', 'accept-encoding');
        const current = await bundles.current(orgId);
        if (since === undefined) return sendBundle(request, reply, current);
        return answerSince(since, epoch, current, async (limit) =>
          changesSince(database, orgId, since, limit, await keyOf(orgId)),
        );
      },
    );

    app.get(
      '/api/sync/stream',
      route({
        id: 'streamChanges',
        tag: 'sync',
        summary: 'Changes as they are committed, as server-sent events',
        access: 'node',
        query: Query,
        answers: { 200: Type.String() },
      }),
      async (request, reply) => {
        const { org_id: orgId, since, epoch } = request.query;
        const current = await bundles.current(orgId);
        const canBuildOn =
          since !== undefined &&
          epoch === current.epoch &&
          since <= current.revision &&
          current.revision - since <= MOST_CHANGES;
        reply.hijack();
        const response = reply.raw;
        response.writeHead(200, {
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
          'x-voiceoi-time': String(Date.now()),
        });
        streams.add(response);
        response.once('close', () => streams.delete(response));
        await openStream({ response, orgId, bundles, feed, since: canBuildOn ? since : undefined }).catch(() =>
          response.destroy(),
        );
      },
    );
  };
}

async function sendBundle(request: FastifyRequest, reply: FastifyReply, bundle: PreparedBundle): Promise<FastifyReply> {
  reply.header('etag', bundle.etag);
  if (request.headers['if-none-match'] === bundle.etag) return reply.code(304).send();
  const accepted = String(request.headers['accept-encoding'] ?? '');
  const encoding = /\bbr\b/.test(accepted) ? 'br' : /\bgzip\b/.test(accepted) ? 'gzip' : undefined;
  reply.type('application/json; charset=utf-8');
  return encoding
    ? reply.header('content-encoding', encoding).send(await bundle.encoded(encoding))
    : reply.send(bundle.json);
}

async function answerSince(
  since: number,
  epoch: string | undefined,
  current: PreparedBundle,
  read: (limit: number) => Promise<readonly unknown[]>,
): Promise<object> {
  if (epoch === current.epoch && since === current.revision) return { intent: 'none' };
  const isNear = epoch === current.epoch && since < current.revision && current.revision - since <= MOST_CHANGES;
  const changes = isNear ? await read(MOST_CHANGES) : [];
  const isWhole = changes.length === current.revision - since && changes.every((change) => !isHint(change));
  return isNear && isWhole ? { intent: 'changes', changes } : { intent: 'full', bundle: JSON.parse(current.json) };
}

function isHint(change: unknown): boolean {
  return typeof change === 'object' && change !== null && 'hint' in change;
}
