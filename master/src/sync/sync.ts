import type { Logger, OrgKey } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import type { Feature } from '../http/index.ts';
import { type BusOf, bundles } from './bundles.ts';
import { catchUp } from './catch-up.ts';
import { contentReader } from './content.ts';
import { changeFeed } from './feed.ts';
import { frameSource } from './frames.ts';
import { type Revisions, revisions } from './revisions.ts';
import { syncRoutes } from './routes.ts';

/** Configuration on its way to the nodes. */
export interface Sync {
  /** The one way to write what nodes play. */
  readonly revisions: Revisions;
  readonly routes: Feature;
  stop(): void;
}

interface SyncOptions {
  readonly database: Database;
  /** The newest good key of an organization. */
  readonly signingKey: (orgId: string) => Promise<OrgKey>;
  readonly busOf: BusOf;
  /** Told of each commit of configuration. */
  readonly onCommit: (orgId: string) => void;
  readonly log: Logger;
}

/** Puts the sync together. */
export function startSync({ database, signingKey, busOf, onCommit, log }: SyncOptions): Sync {
  const reader = contentReader();
  const prepared = bundles(database, reader, busOf);
  const catchUpFrom = catchUp(database, prepared, signingKey);
  const frames = frameSource(catchUpFrom);
  const feed = changeFeed(database, frames, log);
  return {
    revisions: revisions(database, reader, (orgId) => {
      feed.wake(orgId);
      onCommit(orgId);
    }),
    routes: syncRoutes({ database, bundles: prepared, catchUpFrom, frames, feed }),
    stop: feed.stop,
  };
}
