export type { Change, Revisions } from './revisions.ts';
export { type Sync, startSync } from './sync.ts';
export { trimChangeLog } from './trim.ts';
