import type { OrgKey } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import { type Bundles, type Head, type PreparedBundle, readHead } from './bundles.ts';
import { type ChangeMessage, changesSince } from './change-messages.ts';
import type { SecretSource } from './secret-source.ts';

/** What brings a node from where it is to where the organization is. */
export type CatchUp =
  | { readonly intent: 'none' }
  | { readonly intent: 'changes'; readonly messages: readonly ChangeMessage[]; readonly head: Head }
  | { readonly intent: 'full'; readonly bundle: PreparedBundle };

/** Decides what a node is sent; `position` undefined: it has nothing. @throws ProblemError when the organization is not there */
export type CatchUpFrom = (orgId: string, position: Head | undefined) => Promise<CatchUp>;

/** A node that is further behind gets a whole bundle. */
export const MOST_CHANGES = 200;

export function catchUp(
  database: Database,
  bundles: Bundles,
  keyOf: (orgId: string) => Promise<OrgKey>,
  secrets: SecretSource,
): CatchUpFrom {
  return async (orgId, position) => {
    const head = await readHead(database, orgId);
    const behind = position?.epoch === head.epoch ? head.revision - position.revision : Number.NaN;
    if (behind === 0) return { intent: 'none' };
    if (position && behind > 0 && behind <= MOST_CHANGES) {
      const signing = { key: await keyOf(orgId), secrets };
      const messages = await changesSince(database, orgId, position, MOST_CHANGES, signing);
      const last = messages.at(-1)?.change.to;
      // The log may have been trimmed: what it no longer holds is in the bundle.
      if (last !== undefined && last >= head.revision)
        return { intent: 'changes', messages, head: { epoch: head.epoch, revision: last } };
    }
    return { intent: 'full', bundle: await bundles.current(orgId) };
  };
}
