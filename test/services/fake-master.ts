import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { NodeStatus } from '@voiceoi/contracts';

/** A request as the fake master saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Answers one request; undefined: the next one may. */
export type Handler = (request: SeenRequest, response: ServerResponse) => boolean | undefined;

/**
 * The master's side of the sync protocol on a real HTTP server, for tests of the node: it serves the bundle that it was given, streams what it is
 * told to, keeps the records that it gets, and misbehaves as a test wants.
 */
export interface FakeMaster {
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  /** Records that were answered with 202, parsed, in order. */
  readonly records: readonly { readonly [name: string]: unknown }[];
  /** Statuses that were answered, in order. */
  readonly statuses: readonly NodeStatus[];
  /** Organizations whose statuses are answered with `draining`. */
  readonly draining: Set<string>;
  /** What `GET /api/sync/campaigns` answers from now on. */
  serve(bundle: { readonly epoch: string; readonly revision: number; readonly sha256: string } | undefined): void;
  /** What `?since=` answers; without it, `full` with the bundle, or `none`. */
  answerSince: unknown;
  /** Sends an event to every open stream. */
  emit(event: string, data: unknown): void;
  openStreams(): number;
  /** Cuts every open stream. */
  cutStreams(): void;
  /** Looks at each request first. */
  intercept: Handler | undefined;
  /** Stops answering anything, as when the process is gone; `up` listens on the same port again. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

export async function startFakeMaster(): Promise<FakeMaster> {
  const requests: SeenRequest[] = [];
  const records: { readonly [name: string]: unknown }[] = [];
  const statuses: NodeStatus[] = [];
  const streams = new Set<ServerResponse>();
  let bundle: Parameters<FakeMaster['serve']>[0];

  const routes: { readonly [path: string]: (request: SeenRequest, response: ServerResponse) => void } = {
    '/api/sync/campaigns': (request, response) => {
      if (request.query.has('since') && (bundle || fake.answerSince !== undefined))
        return json(response, 200, sinceAnswer(request));
      if (!bundle) return json(response, 404, { code: 'NOT_FOUND' });
      const etag = `W/"${bundle.epoch}:${bundle.revision}:${bundle.sha256}"`;
      response.setHeader('etag', etag);
      response.setHeader('x-voiceoi-time', Date.now());
      if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end();
      return json(response, 200, bundle);
    },
    '/api/sync/stream': (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      streams.add(response);
      response.once('close', () => streams.delete(response));
    },
    '/api/sync/status': ({ body }, response) => {
      const status: NodeStatus = JSON.parse(body.toString('utf8'));
      statuses.push(status);
      const organizations = status.organizations.map(({ org_id }) => ({
        org_id,
        state: fake.draining.has(org_id) ? 'draining' : 'active',
        revision: 1,
      }));
      json(response, 200, { organizations });
    },
    '/api/sync/logs': ({ body, headers }, response) => {
      const text = (headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString('utf8');
      const parsed = text.split('\n').map((line) => JSON.parse(line));
      records.push(...parsed);
      json(response, 202, { accepted: parsed.length, duplicates: 0, rejected: [] });
    },
  };

  const sinceAnswer = ({ query }: SeenRequest): unknown => {
    if (fake.answerSince !== undefined) return fake.answerSince;
    const isCurrent = query.get('epoch') === bundle?.epoch && query.get('since') === String(bundle?.revision);
    return isCurrent ? { intent: 'none' } : { intent: 'full', bundle };
  };

  const handle = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(message.url ?? '/', 'http://master');
    const chunks: Buffer[] = [];
    for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
    const request: SeenRequest = {
      method: message.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: message.headers,
      body: Buffer.concat(chunks),
    };
    requests.push(request);
    if (fake.intercept?.(request, response)) return;
    const route = routes[url.pathname];
    if (route) route(request, response);
    else json(response, 404, {});
  };

  let port = 0;
  let server: Server;
  const up = async (): Promise<void> => {
    server = createServer((message, response) => void handle(message, response).catch(() => response.destroy()));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  const down = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  await up();

  const fake: FakeMaster = {
    url: `http://127.0.0.1:${port}`,
    requests,
    records,
    statuses,
    draining: new Set(),
    serve: (next) => {
      bundle = next;
    },
    answerSince: undefined,
    emit: (event, data) => {
      for (const stream of streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    openStreams: () => streams.size,
    cutStreams: () => {
      for (const stream of streams) stream.destroy();
    },
    intercept: undefined,
    down,
    up,
    close: down,
  };
  return fake;
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
