import type { Change } from '@voiceoi/contracts';
import { canonicalJson } from '@voiceoi/kernel';
import { applyItems, type Held } from './apply-items.ts';
import { contentSha256, hasDuplicates } from './content-hash.ts';
import { contentOf, isBundle, isChange, isNewerFormat, type WireBundle } from './wire.ts';

/** Where a configuration came from. */
export type Source = 'disk' | 'bootstrap' | 'poll' | 'stream' | 'redis';

/** An organization's configuration at one revision. */
export interface Applied extends Held {
  readonly sha256: string;
  /** Where changes come from, as the bundle says. */
  readonly bus: unknown;
}

/** What the node knows of one organization's configuration. Plain data; replaced, never changed. */
export interface SyncState {
  readonly orgId: string;
  readonly applied: Applied | undefined;
  /** The revision whose content did not have the promised sha256, and how often. */
  readonly mismatch: { readonly epoch: string; readonly revision: number; readonly times: number } | undefined;
  /** Epochs that were left, the last one last, and how far the node had come in each: one that returns does not go back either. */
  readonly left: readonly { readonly epoch: string; readonly revision: number }[];
}

export type SyncEvent =
  | { readonly kind: 'bundle'; readonly bundle: unknown; readonly source: Source }
  /** `isRepair`: read from the history of the bus, since something was missing. */
  | { readonly kind: 'change'; readonly change: unknown; readonly source: Source; readonly isRepair?: boolean }
  /** The master says that what we have is current. */
  | { readonly kind: 'current'; readonly source: Source };

export type ReportCode = 'SIGNATURE' | 'SCHEMA' | 'NEWER_FORMAT' | 'SHA256' | 'FOREIGN';

export type SyncAction =
  /** The content has changed: make it playable, keep it, report it. */
  | { readonly kind: 'apply'; readonly applied: Applied; readonly source: Source; readonly committedAt?: string }
  /** What we have was confirmed to be current. */
  | { readonly kind: 'confirm' }
  /** What stands beside the content, secrets or the bus, is another: keep it. */
  | { readonly kind: 'keep'; readonly applied: Applied }
  /** Ask the master; `calm`: whoever sends nonsense must not make us ask as fast as they send. */
  | { readonly kind: 'fetch'; readonly what: 'since' | 'whole'; readonly calm: boolean }
  /** Read what is missing from the history of the bus. */
  | { readonly kind: 'repair' }
  /** Something that a person should know of. */
  | { readonly kind: 'report'; readonly code: ReportCode; readonly message: string };

export interface SyncStep {
  readonly state: SyncState;
  readonly actions: readonly SyncAction[];
}

/** `unknown_key`: signed by a generation that this node does not hold, as while a key is being rotated. */
export type Verdict = 'valid' | 'unknown_key' | 'forged';
export type Verify = (change: Change) => Verdict;

export function initialSyncState(orgId: string): SyncState {
  return { orgId, applied: undefined, mismatch: undefined, left: [] };
}

/** What follows from an event (sync-protocol.md, Node). Pure; any input whatever is answered. */
export function syncStep(state: SyncState, event: SyncEvent, verify: Verify): SyncStep {
  try {
    return step(state, event, verify);
  } catch {
    // Nested so deeply that it can neither be hashed nor compared.
    return outOfShape(state, event.kind, event.source);
  }
}

function step(state: SyncState, event: SyncEvent, verify: Verify): SyncStep {
  switch (event.kind) {
    case 'current':
      return stay(state, state.applied ? { kind: 'confirm' } : fetch('whole', true));
    case 'bundle':
      return onBundle(state, event.bundle, event.source);
    case 'change':
      return onChange(state, event, verify);
    default:
      return event satisfies never;
  }
}

/** A whole bundle replaces what is there; within an epoch it never goes back. */
function onBundle(state: SyncState, value: unknown, source: Source): SyncStep {
  const { applied } = state;
  if (applied && (source === 'disk' || source === 'bootstrap')) return stay(state);
  if (isNewerFormat(value))
    return stay(state, report('NEWER_FORMAT', `${source} has a format that this version of the node does not know`));
  if (!isBundle(value)) return stay(state, report('SCHEMA', `a bundle from ${source} has another shape`));
  if (value.org_id !== state.orgId)
    return stay(state, report('FOREIGN', `a bundle of ${value.org_id} came to ${state.orgId}`));
  const held = applied?.content.epoch === value.epoch ? applied : undefined;
  if (value.revision < furthest(state, value.epoch)) return stay(state);
  if (held && value.revision === held.content.revision && value.sha256 === held.sha256)
    return confirm(state, held, beside(value));
  const content = contentOf(value);
  if (hasDuplicates(content) || contentSha256(content) !== value.sha256)
    return onMismatch(state, value.epoch, value.revision);
  return take(state, { content, sha256: value.sha256, ...beside(value) }, source);
}

/** What a bundle holds outside of its sha256. */
function beside({ secrets = [], bus }: WireBundle): Pick<Applied, 'secrets' | 'bus'> {
  return { secrets, bus };
}

function confirm(state: SyncState, held: Applied, now: Pick<Applied, 'secrets' | 'bus'>): SyncStep {
  const applied = { ...held, ...now };
  const isSame = canonicalJson(now) === canonicalJson({ secrets: held.secrets, bus: held.bus });
  const keep: readonly SyncAction[] = isSame ? [] : [{ kind: 'keep', applied }];
  return stay({ ...state, applied: isSame ? held : applied }, { kind: 'confirm' }, ...keep);
}

type ChangeEvent = Extract<SyncEvent, { kind: 'change' }>;

function onChange(state: SyncState, { change: value, source, isRepair }: ChangeEvent, verify: Verify): SyncStep {
  if (!isChange(value)) return outOfShape(state, 'change', source);
  if (value.org_id !== state.orgId)
    return stay(state, report('FOREIGN', `a change of ${value.org_id} came to ${state.orgId}`));
  const { applied } = state;
  if (!applied) return stay(state, fetch('whole', true));
  if (value.epoch === applied.content.epoch && value.to <= applied.content.revision) return stay(state);
  const verdict = verify(value);
  if (verdict === 'forged')
    return stay(
      state,
      report('SIGNATURE', `a change from ${source} is not signed by this organization’s key`),
      recover(source, true),
    );
  // Over HTTP the master has been asked with our own key, as for a bundle, which nobody signs; anyone may write to a bus.
  if (verdict === 'unknown_key' && source === 'redis') return stay(state, recover(source, true));
  // Anyone may write to a bus, and say again there what was signed in an epoch that is over.
  if (value.epoch !== applied.content.epoch) return stay(state, fetch('whole', source === 'redis'));
  if (source === 'redis' && !isRepair && value.from > applied.content.revision) return stay(state, { kind: 'repair' });
  if (value.from !== applied.content.revision || !value.changes) return stay(state, recover(source));
  return applyChange(state, applied, value, value.changes, source);
}

function applyChange(
  state: SyncState,
  applied: Applied,
  change: Change,
  items: NonNullable<Change['changes']>,
  source: Source,
): SyncStep {
  const next = applyItems(applied, change.to, items);
  if (!next)
    return stay(state, report('SCHEMA', `revision ${change.to} holds something of another shape`), fetch('whole'));
  if (contentSha256(next.content) !== change.sha256) return onMismatch(state, change.epoch, change.to);
  return take(state, { ...next, sha256: change.sha256, bus: applied.bus }, source, change.committed_at);
}

/** Asks for the whole bundle once; a second time for the same revision the old one is kept until there is a newer one. */
function onMismatch(state: SyncState, epoch: string, revision: number): SyncStep {
  const { mismatch } = state;
  const isAgain = mismatch?.epoch === epoch && mismatch.revision === revision;
  const times = isAgain ? mismatch.times + 1 : 1;
  const next = { ...state, mismatch: { epoch, revision, times } };
  if (times > 2) return stay(next);
  const what = report('SHA256', `revision ${revision} does not have the content that was promised`);
  return times === 2 ? stay(next, what) : stay(next, what, fetch('whole'));
}

function take(state: SyncState, applied: Applied, source: Source, committedAt?: string): SyncStep {
  const apply: SyncAction = { kind: 'apply', applied, source, ...(committedAt !== undefined && { committedAt }) };
  return { state: { ...state, applied, mismatch: undefined, left: leftBehind(state, applied) }, actions: [apply] };
}

/** Epochs that are remembered: databases are not restored often. */
const MOST_EPOCHS = 8;

function leftBehind({ applied, left }: SyncState, next: Applied): SyncState['left'] {
  if (!applied || applied.content.epoch === next.content.epoch) return left;
  const { epoch, revision } = applied.content;
  return [...left.filter((one) => one.epoch !== epoch), { epoch, revision }].slice(-MOST_EPOCHS);
}

/** The highest revision that was applied in an epoch. */
function furthest({ applied, left }: SyncState, epoch: string): number {
  const here = applied?.content.epoch === epoch ? applied.content.revision : undefined;
  return here ?? left.find((one) => one.epoch === epoch)?.revision ?? 0;
}

function outOfShape(state: SyncState, what: string, source: Source): SyncStep {
  return stay(state, report('SCHEMA', `a ${what} from ${source} has another shape`), recover(source, true));
}

/** What was asked for since our revision and does not lead on from it is not asked for in the same way again. */
function recover(source: Source, calm = false): SyncAction {
  return fetch(source === 'poll' ? 'whole' : 'since', calm);
}

function stay(state: SyncState, ...actions: SyncAction[]): SyncStep {
  return { state, actions };
}

function fetch(what: 'since' | 'whole', calm = false): SyncAction {
  return { kind: 'fetch', what, calm };
}

function report(code: ReportCode, message: string): SyncAction {
  return { kind: 'report', code, message };
}
