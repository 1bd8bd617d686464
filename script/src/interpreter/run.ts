import type { Json, JsonObject } from '@voiceoi/contracts';
import type { CompiledScript } from '../compile/index.ts';
import type { Scope } from '../expression/index.ts';
import { fromOutside, jsonToState } from '../expression/index.ts';
import type { CallContext, EffectDetail } from '../protocol.ts';
import type { StepRun } from '../steps/index.ts';
import type { State } from './state.ts';
import { assignable, lazyMap } from './variables.ts';

/** One turn's working copy of a call. It begins as the state, and is thrown away when the new state is taken from it. */
export class Run implements StepRun {
  readonly context: CallContext;
  readonly script: CompiledScript;
  readonly atMs: number;
  step: string;
  seq: number;
  enteredAtMs: number;
  detail: readonly EffectDetail[];
  progress: Json | undefined;
  sinceInput: number;
  inError: boolean;
  hungUp: boolean;
  disposition: string | undefined;
  comment: string | undefined;
  fields: { readonly [name: string]: string } | undefined;
  arm: string | undefined;
  #vars: JsonObject;
  #input: JsonObject;
  #scope: Scope | undefined;

  constructor(script: CompiledScript, context: CallContext, state: Omit<State, 'pending'>, atMs: number) {
    this.script = script;
    this.context = context;
    this.atMs = atMs;
    this.step = state.step;
    this.seq = state.seq;
    this.enteredAtMs = state.entered_at_ms;
    this.detail = state.detail;
    this.progress = state.progress;
    this.sinceInput = state.since_input;
    this.inError = state.in_error;
    this.hungUp = state.hung_up;
    this.disposition = state.disposition;
    this.comment = state.comment;
    this.fields = state.fields;
    this.arm = state.arm;
    this.#vars = state.vars;
    this.#input = state.input;
  }

  get scope(): Scope {
    this.#scope ??= makeScope(
      this.context,
      this.#vars,
      this.#input,
      this.atMs,
      secretMap(this.context, (value) => value),
    );
    return this.#scope;
  }

  get maskedScope(): Scope {
    return { ...this.scope, secret: secretMap(this.context, () => '***') };
  }

  keep(progress: Json): void {
    this.progress = progress;
  }

  bring(name: 'digits' | 'speech' | 'recording' | 'response', value: Json, fromCaller: boolean): void {
    this.#input = { ...this.#input, [name]: jsonToState(value) };
    this.#scope = undefined;
    if (fromCaller) this.sinceInput = 0;
  }

  assign(name: string, value: unknown): void {
    this.#vars = { ...this.#vars, [name]: assignable(name, value, this.script.variables) };
    this.#scope = undefined;
  }

  dispose(values: Parameters<StepRun['dispose']>[0]): void {
    this.disposition = values.disposition ?? this.disposition;
    this.comment = values.comment ?? this.comment;
    this.fields = values.fields ? { ...this.fields, ...values.fields } : this.fields;
  }

  chooseArm(name: string): void {
    this.arm = name;
  }

  /** The state in which the step waits for what comes of `pending`. */
  waiting(pending: EffectDetail): State {
    return {
      step: this.step,
      seq: this.seq,
      entered_at_ms: this.enteredAtMs,
      detail: this.detail,
      pending,
      vars: this.#vars,
      input: this.#input,
      since_input: this.sinceInput,
      in_error: this.inError,
      hung_up: this.hungUp,
      ...(this.progress !== undefined && { progress: this.progress }),
      ...this.disposed(),
      ...(this.arm !== undefined && { arm: this.arm }),
    };
  }

  /** What the script has decided about the call so far. */
  disposed(): { disposition?: string; comment?: string; fields?: { readonly [name: string]: string } } {
    return {
      ...(this.disposition !== undefined && { disposition: this.disposition }),
      ...(this.comment !== undefined && { comment: this.comment }),
      ...(this.fields !== undefined && { fields: this.fields }),
    };
  }
}

function makeScope(context: CallContext, vars: JsonObject, input: JsonObject, atMs: number, secret: object): Scope {
  let varsMap: object | undefined;
  let inputMap: object | undefined;
  let callMap: object | undefined;
  return {
    get vars() {
      varsMap ??= lazyMap(vars);
      return varsMap;
    },
    get input() {
      inputMap ??= lazyMap(input);
      return inputMap;
    },
    get call() {
      callMap ??= callFacts(context);
      return callMap;
    },
    lead: context.lead,
    get now() {
      return new Date(context.facts.started_at_ms + atMs);
    },
    secret,
  };
}

function callFacts({ facts }: CallContext): object {
  const { started_at_ms, ...rest } = facts;
  return { ...(fromOutside(rest as unknown as JsonObject) as object), started_at: new Date(started_at_ms) };
}

function secretMap(context: CallContext, show: (value: string) => string): object {
  return Object.fromEntries([...context.secrets].map(([name, value]) => [name, show(value)]));
}
