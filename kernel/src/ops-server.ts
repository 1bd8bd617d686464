import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';

/** Whether a process can do its work, and if not, why: reasons are shown to whoever asks, so they hold no secret. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** What an `OPS_PORT` tells. */
export interface OpsServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  readonly ready: () => Readiness;
  /** JSON of `/state`; absent: 404 there. */
  readonly state?: () => unknown;
}

/** A running ops server; `port` is the one it got. */
export interface OpsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `/healthz`, `/readyz`, `/metrics` and, on a node, `/state`. Alive means that the event loop answers.
 * @throws the listening error, with its `code`
 */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const pages: { readonly [path: string]: (response: ServerResponse) => Promise<void> | void } = {
    '/healthz': (response) => sendJson(response, 200, { status: 'ok' }),
    '/readyz': (response) => {
      const readiness = options.ready();
      sendJson(response, readiness.ready ? 200 : 503, readiness);
    },
    '/metrics': (response) => sendMetrics(response, options.metrics),
    ...(options.state && { '/state': (response: ServerResponse) => sendJson(response, 200, options.state?.()) }),
  };
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    request.resume();
    if (request.method !== 'GET' && request.method !== 'HEAD') sendJson(response, 405, { error: 'only GET' });
    else if (!page) sendJson(response, 404, { error: 'not here', pages: Object.keys(pages) });
    else serve(page, response);
  });
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A page that fails answers 500: the ops server outlives whatever it reports on. */
async function serve(
  page: (response: ServerResponse) => Promise<void> | void,
  response: ServerResponse,
): Promise<void> {
  try {
    await page(response);
  } catch {
    sendJson(response, 500, { error: 'this page failed' });
  }
}

async function sendMetrics(response: ServerResponse, metrics: Metrics): Promise<void> {
  const body = await metrics.registry.metrics();
  response.writeHead(200, { 'content-type': metrics.registry.contentType, 'cache-control': 'no-store' }).end(body);
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}
