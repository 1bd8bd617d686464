import type { ChangeItem } from '@voiceoi/contracts';
import fc from 'fast-check';
import { type Content, campaignEntry, scriptEntry } from './sync-world.ts';

/** For tests: what happens to an organization, as operations of a master. */
export type Operation =
  | { readonly kind: 'campaign'; readonly id: string; readonly version: number }
  | { readonly kind: 'remove'; readonly id: string }
  | { readonly kind: 'script'; readonly version: number }
  | { readonly kind: 'settings'; readonly timezone: string };

export const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    kind: fc.constant('campaign' as const),
    id: fc.constantFrom('1', '2', '3'),
    version: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constant('remove' as const), id: fc.constantFrom('1', '2', '3') }),
  fc.record({ kind: fc.constant('script' as const), version: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('settings' as const), timezone: fc.constantFrom('UTC', 'Asia/Kolkata') }),
);

/** The content after an operation, and the item of the change that says it. */
export function operate(content: Content, operation: Operation): { readonly next: Content; readonly item: ChangeItem } {
  const next = { ...content, revision: content.revision + 1 };
  switch (operation.kind) {
    case 'campaign': {
      const campaign = campaignEntry(operation.id, 's', operation.version);
      const campaigns = replaced(content.campaigns, campaign, ({ id }) => id === campaign.id);
      return { next: { ...next, campaigns }, item: put(campaign) };
    }
    case 'remove': {
      const campaigns = content.campaigns.filter(({ id }) => id !== operation.id);
      return { next: { ...next, campaigns }, item: { op: 'delete', kind: 'campaign', id: operation.id } };
    }
    case 'script': {
      const script = scriptEntry('s', operation.version);
      const scripts = replaced(content.scripts, script, ({ version }) => version === script.version);
      const item = { op: 'put' as const, kind: 'script' as const, id: `s@${script.version}`, object: { ...script } };
      return { next: { ...next, scripts }, item };
    }
    case 'settings': {
      const settings = { timezone: operation.timezone };
      return { next: { ...next, settings }, item: { op: 'put', kind: 'settings', id: 'settings', object: settings } };
    }
    default:
      return operation satisfies never;
  }
}

/** In the place of the one that it replaces, as a node has it, or at the end. */
function replaced<T>(list: readonly T[], value: T, isOld: (one: T) => boolean): T[] {
  const isThere = list.some(isOld);
  return isThere ? list.map((one) => (isOld(one) ? value : one)) : [...list, value];
}

export function put(campaign: { readonly id: string }): ChangeItem {
  return { op: 'put', kind: 'campaign', id: campaign.id, object: { ...campaign } };
}

/** What comes of a message on its way; undefined: nothing. */
export type Damage = 'sig' | 'items' | 'sha256' | 'to' | 'epoch' | undefined;

export function damaged(value: object, damage: Damage): object {
  switch (damage) {
    case 'sig':
      return { ...value, sig: '0'.repeat(64) };
    case 'items':
      return { ...value, changes: [], campaigns: [campaignEntry('9', 's', 1)] };
    case 'sha256':
      return { ...value, sha256: '0'.repeat(64) };
    case 'to':
      return { ...value, to: 99, revision: 99 };
    case 'epoch':
      return { ...value, epoch: 'e9' };
    default:
      return value;
  }
}
