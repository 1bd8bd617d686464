import type { NodeOrder } from '@voiceoi/contracts';
import type { Logger, OrgKey } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import type { Feature } from '../http/index.ts';
import { type BusOf, bundles } from './bundles.ts';
import { catchUp } from './catch-up.ts';
import { contentReader } from './content.ts';
import { changeFeed, type OrdersAfter } from './feed.ts';
import { frameSource } from './frames.ts';
import { type Revisions, revisions } from './revisions.ts';
import { syncRoutes } from './routes.ts';
import type { SecretSource } from './secret-source.ts';

/** Configuration on its way to the nodes. */
export interface Sync {
  /** The one way to write what nodes play. */
  readonly revisions: Revisions;
  readonly routes: Feature;
  /** Tells the nodes that follow this master of an order that was committed. */
  announce(order: NodeOrder): void;
  stop(): void;
}

interface SyncOptions {
  readonly database: Database;
  /** The newest good key of an organization. */
  readonly signingKey: (orgId: string) => Promise<OrgKey>;
  /** Its node orders. */
  readonly ordersAfter: OrdersAfter;
  readonly busOf: BusOf;
  readonly secrets: SecretSource;
  /** Told of each commit of configuration. */
  readonly onCommit: (orgId: string) => void;
  readonly log: Logger;
}

/** Puts the sync together. */
export function startSync(options: SyncOptions): Sync {
  const { database, signingKey, ordersAfter, busOf, secrets, onCommit, log } = options;
  const reader = contentReader();
  const prepared = bundles(database, reader, secrets, busOf);
  const catchUpFrom = catchUp(database, prepared, signingKey, secrets);
  const frames = frameSource(catchUpFrom);
  const feed = changeFeed(database, frames, ordersAfter, log);
  return {
    revisions: revisions(database, reader, secrets, (orgId) => {
      feed.wake(orgId);
      onCommit(orgId);
    }),
    routes: syncRoutes({ database, bundles: prepared, catchUpFrom, frames, feed, ordersAfter }),
    announce: feed.announce,
    stop: feed.stop,
  };
}
