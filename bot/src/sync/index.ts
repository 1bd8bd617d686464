export { type Configuration, type RunningConfiguration, type SecretOf, startConfiguration } from './configuration.ts';
export { diskStore } from './disk-store.ts';
export type { OrgSyncStatus } from './org-sync.ts';
export type { PlayableCampaign, PlayableOrg, PlayableScript } from './playable.ts';
