import type { Logger } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import type { App, Feature } from '../http/index.ts';
import { type NodeRouteOptions, nodeRoutes } from './routes.ts';
import { statusRoute } from './status-route.ts';
import { forgetLostNodes } from './store.ts';

interface NodesOptions extends Omit<NodeRouteOptions, 'lostAfterSeconds'> {
  /** All organizations' rows; `database` shows those of a request's. */
  readonly whole: Database;
  readonly log: Logger;
  /** 90 by default. */
  readonly lostAfterSeconds?: number;
}

/** The nodes as the API shows them and orders them about. */
export interface Nodes {
  readonly routes: Feature;
  stop(): void;
}

const FORGET_EVERY_MS = 3_600_000;

export function startNodes({ lostAfterSeconds = 90, whole, ...options }: NodesOptions): Nodes {
  const { database, log } = options;
  const forget = (): void => {
    forgetLostNodes(whole).catch((error: unknown) => log.warn({ err: error }, 'lost nodes cannot be forgotten now'));
  };
  forget();
  const timer = setInterval(forget, FORGET_EVERY_MS);
  return {
    routes: (app: App) => {
      statusRoute(app, database);
      nodeRoutes(app, { ...options, lostAfterSeconds });
    },
    stop: () => clearInterval(timer),
  };
}
