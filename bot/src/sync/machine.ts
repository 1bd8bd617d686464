import type { Bundle, BundleContent, Change } from '@voiceoi/contracts';
import { Bundle as BundleSchema, Change as ChangeSchema } from '@voiceoi/contracts';
import { bundleSha256 } from '@voiceoi/kernel';
import { Compile } from 'typebox/compile';
import { applyItems } from './apply-items.ts';

/** Where a configuration came from. */
export type Source = 'disk' | 'bootstrap' | 'poll' | 'stream' | 'redis';

/** What the node knows of one organization's configuration. Plain data; replaced, never changed. */
export interface SyncState {
  readonly orgId: string;
  readonly content: BundleContent | undefined;
  readonly sha256: string | undefined;
  /** The revision whose content did not have the promised sha256, and how often. */
  readonly mismatch: { readonly revision: number; readonly times: number } | undefined;
}

export type SyncEvent =
  | { readonly kind: 'bundle'; readonly bundle: unknown; readonly source: Source }
  | { readonly kind: 'change'; readonly change: unknown; readonly source: Source }
  /** The master says that what we have is current. */
  | { readonly kind: 'current'; readonly source: Source };

export type SyncAction =
  /** The content has changed: make it playable, keep it, report it. */
  | {
      readonly kind: 'apply';
      readonly content: BundleContent;
      readonly sha256: string;
      readonly source: Source;
      readonly committedAt?: string;
    }
  /** What we have was confirmed to be current. */
  | { readonly kind: 'confirm' }
  | { readonly kind: 'fetch'; readonly what: 'since' | 'whole' }
  /** Something that a person should know of. */
  | {
      readonly kind: 'report';
      readonly code: 'SIGNATURE' | 'SCHEMA' | 'NEWER_FORMAT' | 'SHA256' | 'FOREIGN';
      readonly message: string;
    };

export interface SyncStep {
  readonly state: SyncState;
  readonly actions: readonly SyncAction[];
}

/** Whether a change was signed by the organization's key. */
export type Verify = (change: Change) => boolean;

const checkBundle = Compile(BundleSchema);
const checkChange = Compile(ChangeSchema);

export function initialSyncState(orgId: string): SyncState {
  return { orgId, content: undefined, sha256: undefined, mismatch: undefined };
}

/** What follows from an event (sync-protocol.md, Node). Pure; any input whatever is answered. */
export function syncStep(state: SyncState, event: SyncEvent, verify: Verify): SyncStep {
  switch (event.kind) {
    case 'current':
      return { state, actions: state.content ? [{ kind: 'confirm' }] : [{ kind: 'fetch', what: 'whole' }] };
    case 'bundle':
      return onBundle(state, event.bundle, event.source);
    case 'change':
      return onChange(state, event.change, event.source, verify);
    default:
      return event satisfies never;
  }
}

const stay = (state: SyncState, ...actions: SyncAction[]): SyncStep => ({ state, actions });

/** A whole bundle replaces what is there; within an epoch it never goes back. */
function onBundle(state: SyncState, value: unknown, source: Source): SyncStep {
  if (isNewerFormat(value))
    return stay(state, {
      kind: 'report',
      code: 'NEWER_FORMAT',
      message: 'the master sends a format that this version of the node does not know',
    });
  if (!checkBundle.Check(value))
    return stay(state, { kind: 'report', code: 'SCHEMA', message: `a bundle from ${source} has another shape` });
  const bundle: Bundle = value;
  if (bundle.org_id !== state.orgId)
    return stay(state, {
      kind: 'report',
      code: 'FOREIGN',
      message: `a bundle of ${bundle.org_id} came to ${state.orgId}`,
    });
  const isSameEpoch = state.content?.epoch === bundle.epoch;
  const applied = state.content?.revision ?? -1;
  if (isSameEpoch && bundle.revision < applied) return stay(state);
  if (isSameEpoch && bundle.revision === applied && bundle.sha256 === state.sha256)
    return stay(state, { kind: 'confirm' });
  const content = contentOf(bundle);
  if (bundleSha256(content) !== bundle.sha256) return onMismatch(state, bundle.revision);
  return take(state, content, bundle.sha256, source);
}

function onChange(state: SyncState, value: unknown, source: Source, verify: Verify): SyncStep {
  if (!checkChange.Check(value))
    return stay(
      state,
      { kind: 'report', code: 'SCHEMA', message: `a change from ${source} has another shape` },
      fetchSince(state),
    );
  const change: Change = value;
  if (change.org_id !== state.orgId)
    return stay(state, {
      kind: 'report',
      code: 'FOREIGN',
      message: `a change of ${change.org_id} came to ${state.orgId}`,
    });
  const { content } = state;
  if (!content) return stay(state, { kind: 'fetch', what: 'whole' });
  if (change.epoch === content.epoch && change.to <= content.revision) return stay(state);
  if (!verify(change))
    return stay(
      state,
      {
        kind: 'report',
        code: 'SIGNATURE',
        message: `a change from ${source} is not signed by this organization’s key`,
      },
      fetchSince(state),
    );
  if (change.epoch !== content.epoch) return stay(state, { kind: 'fetch', what: 'whole' });
  if (change.from !== content.revision || !change.changes) return stay(state, fetchSince(state));
  const next = applyItems(content, change.to, change.changes);
  if (!next)
    return stay(
      state,
      { kind: 'report', code: 'SCHEMA', message: `revision ${change.to} holds something of another shape` },
      { kind: 'fetch', what: 'whole' },
    );
  if (bundleSha256(next) !== change.sha256) return onMismatch(state, change.to);
  return take(state, next, change.sha256, source, change.committed_at);
}

/** Asks for the whole bundle once; a second time for the same revision the old one is kept until there is a newer one. */
function onMismatch(state: SyncState, revision: number): SyncStep {
  const times = state.mismatch?.revision === revision ? state.mismatch.times + 1 : 1;
  const next = { ...state, mismatch: { revision, times } };
  const report: SyncAction = {
    kind: 'report',
    code: 'SHA256',
    message: `revision ${revision} does not have the content that was promised`,
  };
  return times >= 2 ? stay(next, report) : stay(next, report, { kind: 'fetch', what: 'whole' });
}

function take(
  state: SyncState,
  content: BundleContent,
  sha256: string,
  source: Source,
  committedAt?: string,
): SyncStep {
  const apply: SyncAction = {
    kind: 'apply',
    content,
    sha256,
    source,
    ...(committedAt !== undefined && { committedAt }),
  };
  return { state: { ...state, content, sha256, mismatch: undefined }, actions: [apply] };
}

function fetchSince(state: SyncState): SyncAction {
  return { kind: 'fetch', what: state.content ? 'since' : 'whole' };
}

function isNewerFormat(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'schema' in value &&
    typeof value.schema === 'number' &&
    value.schema > 1
  );
}

function contentOf(bundle: Bundle): BundleContent {
  const { org_id, epoch, revision, settings, campaigns, scripts } = bundle;
  return { org_id, epoch, revision, settings, campaigns, scripts };
}
