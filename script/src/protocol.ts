import type { CallOutcome, Json, JsonObject } from '@voiceoi/contracts';

/** What a script sees of its call under `call`, beside `call.args`. Fixed for the whole call. */
export interface CallFacts {
  readonly id: string;
  readonly org_id: string;
  readonly campaign_id: string;
  readonly script_id: string;
  readonly version: number;
  readonly node_id: string;
  readonly channel: string;
  readonly unique_id: string;
  readonly caller: { readonly number: string; readonly name: string };
  readonly dnid: string;
  readonly context: string;
  readonly extension: string;
  readonly language: string;
  readonly args: { readonly [name: string]: string };
  /** Epoch milliseconds; scripts see a timestamp. */
  readonly started_at_ms: number;
}

/** Everything from outside that a call plays with. Fixed for the whole call, never part of its state. */
export interface CallContext {
  readonly facts: CallFacts;
  readonly lead: { readonly [name: string]: string };
  /** The campaign's `variables`. */
  readonly variables: JsonObject;
  /** Applications that `exec` may run; absent: the language's default list. */
  readonly exec_allow?: readonly string[];
  /** IANA zone for `say` of dates and times; absent: the telephone system's own. */
  readonly timezone?: string;
  /** Opened secrets by name. Reach webhook effects alone, and are masked in every detail. */
  readonly secrets: ReadonlyMap<string, string>;
}

/** A prompt whose templates have been printed. */
export type Prompt =
  | { readonly sound: string }
  | { readonly digits: string }
  | { readonly text: string; readonly voice?: string; readonly language?: string };

export type SayAs = 'digits' | 'number' | 'letters' | 'phonetic' | 'date' | 'time' | 'datetime';

/** Where a transfer goes. An in-group is already resolved to the dialplan address of VICIdial that reaches it. */
export type TransferTarget =
  | {
      readonly kind: 'dialplan';
      readonly context: string;
      readonly extension: string;
      readonly priority: number;
      readonly ingroup?: string;
    }
  | { readonly kind: 'dial'; readonly dial: string; readonly timeout_seconds: number };

/** Something that the transport does for the script: one at a time, answered by one `EffectResult`. */
export type Effect =
  | { readonly kind: 'answer' }
  | { readonly kind: 'play'; readonly prompt: Prompt; readonly interrupt_digits: string }
  /** `value` of date, time and datetime is epoch seconds as text. */
  | {
      readonly kind: 'say';
      readonly as: SayAs;
      readonly value: string;
      readonly interrupt_digits: string;
      readonly timezone?: string;
    }
  /** One attempt: plays the prompts (any key interrupts and counts), then collects. */
  | {
      readonly kind: 'gather';
      readonly prompts: readonly Prompt[];
      readonly min_digits: number;
      readonly max_digits: number;
      /** Keys that end the input and are not part of it; may be empty. */
      readonly terminator: string;
      readonly timeout_ms: number;
      readonly inter_digit_timeout_ms: number;
      readonly speech: boolean;
    }
  | {
      readonly kind: 'record';
      readonly name: string;
      readonly format: string;
      readonly max_seconds: number;
      readonly silence_seconds: number;
      readonly beep: boolean;
      readonly stop_digits: string;
    }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Writes channel variables, in order. */
  | { readonly kind: 'channel'; readonly variables: readonly { readonly name: string; readonly value: string }[] }
  | {
      readonly kind: 'http';
      readonly method: string;
      readonly url: string;
      readonly headers: { readonly [name: string]: string };
      /** Text of the body, already JSON; absent: no body. */
      readonly body?: string;
      readonly timeout_ms: number;
      readonly retries: number;
      /** The same request with every secret masked: what may be logged. */
      readonly masked: {
        readonly url: string;
        readonly headers: { readonly [name: string]: string };
        readonly body?: string;
      };
    }
  | { readonly kind: 'exec'; readonly application: string; readonly arguments: readonly string[] }
  /** `settings` in the order of Asterisk's AMD(); absent ones are left to amd.conf. */
  | { readonly kind: 'amd'; readonly settings: readonly (number | null)[] }
  | { readonly kind: 'transfer'; readonly target: TransferTarget }
  /** Ends the channel; `cause` is a Q.850 number. */
  | { readonly kind: 'hangup'; readonly cause?: number };

export type EffectKind = Effect['kind'];

/** What came of an effect. `failed` fits every kind; the others say which kind they answer. */
export type EffectResult =
  /** answer, wait, channel, exec, transfer to the dialplan, hangup */
  | { readonly kind: 'done' }
  /** play, say; `digit` is the key that interrupted */
  | { readonly kind: 'played'; readonly digit?: string }
  /** gather: `timeout` with what was keyed until then */
  | {
      readonly kind: 'gathered';
      readonly digits: string;
      readonly speech?: string;
      readonly ended_by: 'terminator' | 'max_digits' | 'timeout' | 'speech';
    }
  | {
      readonly kind: 'recorded';
      readonly file: string;
      readonly duration_ms: number;
      readonly ended_by: 'digit' | 'silence' | 'max' | 'hangup';
      readonly digit?: string;
    }
  /** http: any status; `body` is parsed JSON when the content type says so, else text */
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly headers: { readonly [name: string]: string };
      readonly body: Json;
    }
  /** http: no answer in time */
  | { readonly kind: 'timeout' }
  | { readonly kind: 'detected'; readonly result: 'human' | 'machine' | 'unsure'; readonly cause?: string }
  | { readonly kind: 'dialled'; readonly status: 'answered' | 'busy' | 'no_answer' | 'failed' }
  /** exec: no such application on this telephone system */
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'failed'; readonly reason: string };

/** `at_ms` counts from the start of the call, on a clock that never goes back. */
export type CallEvent =
  | { readonly kind: 'result'; readonly at_ms: number; readonly result: EffectResult }
  /** The caller is gone; `result` is what the running effect brought before, if anything. */
  | { readonly kind: 'hangup'; readonly at_ms: number; readonly result?: EffectResult }
  /** `max_call_seconds` is over. */
  | { readonly kind: 'limit'; readonly at_ms: number };

/** An effect as records show it: what was asked for and what came back, secrets masked. */
export interface EffectDetail {
  readonly kind: EffectKind;
  readonly [name: string]: Json;
}

/** A step that has ended. `at_ms` and `duration_ms` count from the start of the call. */
export interface StepRecord {
  readonly seq: number;
  readonly step: string;
  readonly type: string;
  /** The outcome that it took; at `branch` and `split` the target or the arm's name, `skipped` on a dead channel. */
  readonly outcome: string;
  readonly at_ms: number;
  readonly duration_ms: number;
  readonly detail: readonly EffectDetail[];
}

/** How a call ended. */
export interface CallEnd {
  readonly outcome: Exclude<CallOutcome, 'refused'>;
  readonly disposition?: string;
  readonly comment?: string;
  readonly fields?: { readonly [name: string]: string };
  /** The arm that the last split took. */
  readonly arm?: string;
  /** Why, for `failed` and `limit`. */
  readonly reason?: string;
}

/** Plain JSON: a call can be sealed, carried away, and taken up by another node with the same script version and context. */
export type CallState = JsonObject;

/** What follows from an event: either an effect to carry out, or the end. */
export interface Turn {
  readonly state: CallState;
  /** Steps that ended in this turn, in order. */
  readonly finished: readonly StepRecord[];
  /** Type of the step that the effect belongs to, for the turn's metric. */
  readonly step_type?: string;
  readonly effect?: Effect;
  readonly end?: CallEnd;
}
