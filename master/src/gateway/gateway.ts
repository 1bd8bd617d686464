import type { Logger, Metrics } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import type { App, Feature } from '../http/index.ts';
import type { OrgKeys } from '../keys/index.ts';
import { type AgiGateway, startAgiGateway } from './agi-server.ts';
import { forwarder } from './forward.ts';
import { nodeLoads } from './node-choice.ts';
import { orgViews } from './org-views.ts';
import { rateLimit } from './rate-limit.ts';
import { signedUrlRoutes } from './signed-urls.ts';
import { webhookRoutes } from './webhook-routes.ts';

interface GatewayOptions {
  /** Rows of a request's organization. */
  readonly database: Database;
  /** All organizations' rows: calls over AGI are no requests of anybody. */
  readonly whole: Database;
  readonly keys: Pick<OrgKeys, 'good' | 'signing'>;
  readonly publicUrl: string;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** The way to nodes in a private network, over HTTP and, once it listens, over AGI. */
export interface Gateway {
  readonly routes: Feature;
  /** Answers the port. @throws the listening error, with its `code` */
  listenForAgi(host: string, port: number): Promise<number>;
  /** No new calls over AGI; those that are on have this long. */
  stop(withinMs: number): Promise<void>;
  /** Once no request is on its way any more. */
  close(): void;
}

export function createGateway({ database, whole, keys, publicUrl, log, metrics }: GatewayOptions): Gateway {
  const views = orgViews(whole, keys);
  const loads = nodeLoads();
  const http = forwarder();
  const requests = metrics.counter('voiceoi_gateway_requests_total', 'Requests over the gateway', ['outcome']);
  const forWebhooks = webhookRoutes({
    keys,
    views,
    loads,
    forwarder: http,
    limit: rateLimit(),
    requests,
    publicUrl,
    log,
  });
  const forSigning = signedUrlRoutes(database, keys, publicUrl);
  let agi: AgiGateway | undefined;
  return {
    routes: (app: App) => {
      forSigning(app);
      forWebhooks(app);
    },
    listenForAgi: async (host, port) => {
      agi = await startAgiGateway({ host, port, views, loads, log, metrics });
      return agi.port;
    },
    stop: async (withinMs) => agi?.stop(withinMs),
    close: http.close,
  };
}
