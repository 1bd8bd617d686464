export type { Head } from './bundles.ts';
export { type ChangeMessage, changesBetween, unpublishedChanges } from './change-messages.ts';
export type { Change, Revisions } from './revisions.ts';
export type { SecretSource, SecretVersion } from './secret-source.ts';
export { type Sync, startSync } from './sync.ts';
export { trimChangeLog } from './trim.ts';
