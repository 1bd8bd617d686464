/** Keys and channels of an organization in Redis (contract.md, Redis). The braces make one cluster slot of them. */
export const channelOf = (orgId: string): string => `voiceoi:{${orgId}}:changes`;
export const headOf = (orgId: string): string => `voiceoi:{${orgId}}:head`;
export const historyOf = (orgId: string, epoch: string): string => `voiceoi:{${orgId}}:history:${epoch}`;
/** The Redis user that an organization's nodes are. */
export const userOf = (orgId: string): string => `voiceoi-${orgId}`;
/** The organization whose nodes a Redis user is; undefined: somebody else. */
export const orgOf = (user: string): string | undefined => /^voiceoi-(.+)$/.exec(user)?.[1];
