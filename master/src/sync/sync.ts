import type { NodeOrder } from '@voiceoi/contracts';
import type { Logger, OrgKey } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import type { Feature } from '../http/index.ts';
import { bundles } from './bundles.ts';
import { catchUp } from './catch-up.ts';
import { contentReader } from './content.ts';
import { changeFeed, type OrdersAfter } from './feed.ts';
import { frameSource } from './frames.ts';
import { type Revisions, revisions } from './revisions.ts';
import { syncRoutes } from './routes.ts';

/** Configuration on its way to the nodes. */
export interface Sync {
  /** The one way to write what nodes play. */
  readonly revisions: Revisions;
  readonly routes: Feature;
  /** Tells the nodes that follow this master of an order that was committed. */
  announce(order: NodeOrder): void;
  stop(): void;
}

/** Puts the sync together; `signingKey` gives the newest good key of an organization, `ordersAfter` its node orders. */
export function startSync(
  database: Database,
  signingKey: (orgId: string) => Promise<OrgKey>,
  ordersAfter: OrdersAfter,
  log: Logger,
): Sync {
  const reader = contentReader();
  const prepared = bundles(database, reader);
  const catchUpFrom = catchUp(database, prepared, signingKey);
  const frames = frameSource(catchUpFrom);
  const feed = changeFeed(database, frames, ordersAfter, log);
  return {
    revisions: revisions(database, reader, feed.wake),
    routes: syncRoutes({ database, bundles: prepared, catchUpFrom, frames, feed, ordersAfter }),
    announce: feed.announce,
    stop: feed.stop,
  };
}
