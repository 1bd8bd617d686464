import type { NodeOrder } from '@voiceoi/contracts';
import type { Logger } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import type { App, Feature } from '../http/index.ts';
import type { NodeOrders } from './orders.ts';
import { nodeRoutes } from './routes.ts';
import { statusRoute } from './status-route.ts';
import { forgetLostNodes } from './store.ts';

export interface NodesOptions {
  readonly database: Database;
  readonly orders: NodeOrders;
  /** Brings an order to the nodes that listen, at once. It need not arrive: a node is told again when it reports. */
  readonly announce: (order: NodeOrder) => void;
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

export function startNodes({ lostAfterSeconds = 90, ...options }: NodesOptions): Nodes {
  const { database, log } = options;
  const forget = (): void => {
    forgetLostNodes(database).catch((error: unknown) => log.warn({ err: error }, 'lost nodes cannot be forgotten now'));
  };
  const timer = setInterval(forget, FORGET_EVERY_MS);
  return {
    routes: (app: App) => {
      statusRoute(app, database);
      nodeRoutes(app, { ...options, lostAfterSeconds });
    },
    stop: () => clearInterval(timer),
  };
}
