import type { JsonObject } from '@voiceoi/contracts';
import type { CallEnd, Effect, EffectResult } from '@voiceoi/script';
import type { IncomingCall, RefusalReason } from './ports.ts';

/** What a call waits for between two requests: what is needed to understand what the next one brings. */
export type AwaitedInput =
  /** Nothing is brought: prompts have been played, or something was done. */
  | { readonly kind: 'played' }
  | { readonly kind: 'done' }
  | { readonly kind: 'key'; readonly keys: string }
  | { readonly kind: 'gather'; readonly max_digits: number }
  | { readonly kind: 'record'; readonly name: string; readonly max_seconds: number }
  | { readonly kind: 'dial' };

/**
 * A call between two turns: plain JSON, so that it can be sealed, carried away by the other side, and taken up by any node. Names are short because
 * it travels in addresses.
 */
export interface SavedCall {
  readonly id: string;
  readonly campaign: string;
  readonly script: string;
  readonly version: number;
  readonly canary: boolean;
  /** The node that the call began on: what its script sees. */
  readonly node: string;
  /** Epoch milliseconds. */
  readonly started_at: number;
  readonly issued_at: number;
  /** When `max_call_seconds` is over. */
  readonly until: number;
  /** How many requests were answered. */
  readonly turn: number;
  /** The other side's own name of the call; empty without one. */
  readonly sid: string;
  readonly channel: string;
  readonly caller: { readonly number: string; readonly name: string };
  readonly dnid: string;
  readonly args: { readonly [name: string]: string };
  readonly lead: { readonly [name: string]: string };
  readonly steps: number;
  readonly answered_at_ms?: number;
  readonly first_ms?: number;
  readonly slowest_ms?: number;
  readonly awaited: AwaitedInput;
  readonly state: JsonObject;
}

/** What a request tells of the call. `result` is what came of what was awaited. */
export type TurnEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'result'; readonly result: EffectResult }
  | { readonly kind: 'hangup'; readonly result?: EffectResult };

/** What becomes of an effect: known at once, or only with the next request. */
export type Placed = { readonly result: EffectResult } | { readonly awaited: AwaitedInput };

/** Where a turn's effects are put. One board serves one turn. */
export interface EffectBoard {
  /** Never called with `http`, which the node does itself. */
  place(effect: Exclude<Effect, { kind: 'http' }>): Placed;
  /** Something that the caller is to hear before anything else happens. */
  readonly hasSound: boolean;
  /** No more fits into one answer. */
  readonly isFull: boolean;
}

/** Where a call stands after a turn. */
export type TurnOutcome = { readonly saved: SavedCall } | { readonly end: CallEnd };

/** One call that is played request by request. */
export interface TurnCall {
  readonly id: string;
  readonly orgId: string;
  /** Plays on until the caller is needed or the call is over; its records are durable then. One at a time. Never rejects. */
  play(event: TurnEvent, board: EffectBoard): Promise<TurnOutcome>;
  /** Ends the call as `failed` for a reason of the transport’s; its record is durable then. */
  fail(reason: string): Promise<CallEnd>;
}

export type TurnAdmission =
  | { readonly kind: 'taken'; readonly call: TurnCall }
  | {
      readonly kind: 'refused';
      readonly reason: RefusalReason;
      readonly detail: string;
      readonly settled?: Promise<void>;
    };

/** The door into the node for calls that are played request by request. */
export interface TurnDesk {
  begin(call: IncomingCall): TurnAdmission;
  /** Takes up a call that another node, or this one before, has let go; it is in flight already, so that only a missing configuration refuses it. */
  resume(orgId: string, saved: SavedCall): TurnAdmission;
}
