import type { Effect, EffectResult } from '@voiceoi/script';

/** A call as a transport found it, before the node knows whether it can take it. Every text comes from outside. */
export interface IncomingCall {
  readonly org_id?: string;
  readonly campaign_id?: string;
  readonly args: { readonly [name: string]: string };
  readonly lead: { readonly [name: string]: string };
  readonly caller: { readonly number: string; readonly name: string };
  readonly channel: string;
  readonly unique_id: string;
  readonly dnid: string;
  readonly context: string;
  readonly extension: string;
  readonly language: string;
  /** `performance.now()` as the connection was accepted. */
  readonly accepted_at: number;
}

/**
 * The telephone side of one call. Effects run one at a time. No method rejects: what goes wrong is a `failed` result,
 * a caller who left is `hungUp`, a lost connection is `hungUp` and `closed`.
 */
export interface CallChannel {
  /** Carries out one effect (never `http`, which the node does itself). */
  perform(effect: Effect): Promise<EffectResult>;
  /** Reads channel variables; unset ones are absent from the answer. */
  readVariables(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Writes channel variables, in order; works on a dead channel too. */
  setVariables(variables: readonly { readonly name: string; readonly value: string }[]): Promise<void>;
  /** The caller has hung up, or the connection is gone. */
  readonly hungUp: boolean;
  /** Resolves once `hungUp` is true, so that work of the node itself (a webhook) can end early. Never rejects. */
  readonly gone: Promise<void>;
  /** `performance.now()` of the first command written; absent until then. */
  readonly firstCommandAt: number | undefined;
  /** `performance.now()` when the last reply was read, and when the last command was written: together they time a turn. */
  readonly lastReplyAt: number;
  readonly lastCommandAt: number;
  /** Gives the call back to the dialplan. */
  close(): void;
  /** Ends the running effect with `failed` and closes within `withinMs`; for `max_call_seconds`. */
  abort(withinMs: number): void;
}

/** What a transport does with an incoming call. */
export type Admission =
  | { readonly kind: 'taken'; readonly run: (channel: CallChannel) => Promise<void> }
  | {
      readonly kind: 'refused';
      readonly reason: RefusalReason;
      readonly detail: string;
      /** Resolves when the call's record is safe, within a second; absent where it leaves none. Never rejects. */
      readonly settled?: Promise<void>;
    };

/** Why a node refused a call: the label of `voiceoi_calls_refused_total` and the `reason` in records. */
export type RefusalReason =
  | 'unknown_org'
  | 'unknown_campaign'
  | 'campaign_paused'
  | 'no_script'
  | 'script_broken'
  | 'no_configuration'
  | 'at_capacity'
  | 'draining'
  | 'bad_request';

/** Takes or refuses calls; the transports' only door into the node. */
export interface CallDesk {
  admit(call: IncomingCall): Admission;
}
