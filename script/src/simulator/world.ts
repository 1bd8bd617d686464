import type { Json } from '@voiceoi/contracts';
import type { CompiledScript, CompiledStep } from '../compile/index.ts';
import { advance } from '../interpreter/index.ts';
import type { CallContext, CallState, Effect, EffectResult } from '../protocol.ts';

/** What the simulated caller and the world do, in order. */
export type SimulatedInput =
  | { readonly digits: string }
  | { readonly timeout: true }
  | { readonly speech: string }
  | { readonly hangup: true }
  | {
      readonly response: {
        readonly status: number;
        readonly body?: Json;
        readonly headers?: { readonly [name: string]: string };
      };
    }
  | { readonly outcome: string };

/** How long an effect took, and what came of it. */
export interface Reaction {
  readonly took: number;
  readonly event: { readonly kind: 'result'; readonly result: EffectResult } | { readonly kind: 'hangup' };
}

/** The other side of a simulated call: gives the inputs in order to the effects that wait for one, and does what is usual otherwise. */
export class World {
  readonly #script: CompiledScript;
  readonly #context: CallContext;
  readonly #inputs: SimulatedInput[];
  /** The outcome that an input has named for a step which needs several attempts to get there. */
  #named: { readonly seq: Json | undefined; readonly outcome: string } | undefined;

  constructor(script: CompiledScript, context: CallContext, inputs: readonly SimulatedInput[]) {
    this.#script = script;
    this.#context = context;
    this.#inputs = [...inputs];
  }

  get inputsLeft(): number {
    return this.#inputs.length;
  }

  react(effect: Effect, state: CallState): Reaction {
    if (!takesInput(effect)) return result(undisturbed(effect), durationOf(effect));
    if (this.#named && this.#named.seq === state['seq']) return this.#answered(effect, state, this.#named);
    const [input] = this.#inputs;
    if (!input || ('hangup' in input && state['hung_up'] === true)) return unanswered(effect);
    if ('hangup' in input) {
      this.#inputs.shift();
      return { took: 0, event: { kind: 'hangup' } };
    }
    return this.#answered(effect, state, input);
  }

  #answered(effect: Effect, state: CallState, input: Exclude<SimulatedInput, { hangup: true }>): Reaction {
    const answered = 'outcome' in input ? this.#forOutcome(effect, state, input.outcome) : answer(effect, input);
    if (!answered) return unanswered(effect);
    if (input !== this.#named) this.#inputs.shift();
    this.#named = 'outcome' in input ? { seq: state['seq'], outcome: input.outcome } : undefined;
    return result(answered);
  }

  /** A result that leads to an outcome which the step has. */
  #forOutcome(effect: Effect, state: CallState, outcome: string): EffectResult | undefined {
    const step = this.#script.steps.get(String(state['step']));
    if (!step || !hasOutcome(step, outcome)) return undefined;
    // An application that fails has an outcome of its own; one that never answers has none.
    if (outcome === 'error')
      return effect.kind === 'exec' ? { kind: 'timeout' } : { kind: 'failed', reason: 'simulated' };
    return effect.kind === 'gather' ? this.#inputFor(effect, state, outcome) : named(effect, outcome);
  }

  /** Input that takes a gather to an outcome. What its `accept` takes is found by trying. */
  #inputFor(effect: GatherEffect, state: CallState, outcome: string): EffectResult | undefined {
    if (outcome === 'timeout') return UNHEARD;
    if (outcome === 'invalid') return { kind: 'gathered', digits: '', ended_by: 'terminator' };
    const candidates = outcome === 'match' ? someDigits(effect) : [outcome];
    return candidates
      .map((text) => gathered(effect, /^[0-9*#]+$/.test(text) ? { digits: text } : { speech: text }))
      .find((candidate) => candidate && this.#leadsTo(state, candidate, outcome));
  }

  #leadsTo(state: CallState, candidate: EffectResult, outcome: string): boolean {
    const turn = advance(this.#script, this.#context, state, { kind: 'result', at_ms: 0, result: candidate });
    return turn.finished[0]?.outcome === outcome;
  }
}

type GatherEffect = Extract<Effect, { kind: 'gather' }>;

const result = (value: EffectResult, took = 0): Reaction => ({ took, event: { kind: 'result', result: value } });
const unanswered = (effect: Effect): Reaction => result(undisturbed(effect), durationOf(effect));

const TAKES_INPUT: ReadonlySet<Effect['kind']> = new Set(['gather', 'record', 'http', 'amd', 'exec']);

function takesInput(effect: Effect): boolean {
  return TAKES_INPUT.has(effect.kind) || (effect.kind === 'transfer' && effect.target.kind === 'dial');
}

function durationOf(effect: Effect): number {
  if (effect.kind === 'wait') return effect.ms;
  return effect.kind === 'gather' ? effect.timeout_ms : 0;
}

function hasOutcome(step: CompiledStep, outcome: string): boolean {
  return outcome === 'error' || step.targets.has(outcome) || step.fallbacks.has(outcome);
}

/** What comes of an effect when nobody says or does anything. */
function undisturbed(effect: Effect): EffectResult {
  switch (effect.kind) {
    case 'play':
    case 'say':
      return { kind: 'played' };
    case 'gather':
      return UNHEARD;
    case 'record':
      return { kind: 'recorded', file: effect.name, duration_ms: effect.silence_seconds * 1000, ended_by: 'silence' };
    case 'http':
      return { kind: 'response', status: 200, headers: {}, body: {} };
    case 'amd':
      return { kind: 'detected', result: 'human' };
    case 'transfer':
      return effect.target.kind === 'dial' ? { kind: 'dialled', status: 'answered' } : { kind: 'done' };
    default:
      return { kind: 'done' };
  }
}

const UNHEARD: EffectResult = { kind: 'gathered', digits: '', ended_by: 'timeout' };

type Given = Exclude<SimulatedInput, { hangup: true } | { outcome: string }>;

/** The input as a result of this effect; undefined when it is not for it. */
function answer(effect: Effect, input: Given): EffectResult | undefined {
  if ('response' in input) return responded(effect, input.response);
  if ('timeout' in input) return timedOut(effect);
  if (effect.kind === 'gather') return gathered(effect, input);
  if (effect.kind !== 'record') return undefined;
  const recording = { kind: 'recorded', file: effect.name, duration_ms: 1000 } as const;
  return 'speech' in input
    ? { ...recording, ended_by: 'silence' }
    : { ...recording, ended_by: 'digit', digit: input.digits.slice(0, 1) };
}

function responded(
  effect: Effect,
  response: Extract<Given, { response: object }>['response'],
): EffectResult | undefined {
  const { status, headers = {}, body = {} } = response;
  return effect.kind === 'http' ? { kind: 'response', status, headers, body } : undefined;
}

function timedOut(effect: Effect): EffectResult | undefined {
  if (effect.kind === 'http') return { kind: 'timeout' };
  return effect.kind === 'gather' || effect.kind === 'record' ? undisturbed(effect) : undefined;
}

function gathered(effect: GatherEffect, input: { digits: string } | { speech: string }): EffectResult | undefined {
  if ('speech' in input)
    return effect.speech ? { kind: 'gathered', digits: '', speech: input.speech, ended_by: 'speech' } : undefined;
  const end = effect.terminator === '' ? -1 : input.digits.indexOf(effect.terminator);
  const digits = (end < 0 ? input.digits : input.digits.slice(0, end)).slice(0, effect.max_digits);
  if (digits.length === effect.max_digits) return { kind: 'gathered', digits, ended_by: 'max_digits' };
  return { kind: 'gathered', digits, ended_by: end < 0 ? 'timeout' : 'terminator' };
}

/** Inputs of each length that a gather takes, to look for one that it accepts. */
function someDigits({ min_digits, max_digits }: GatherEffect): readonly string[] {
  const lengths = Array.from({ length: Math.min(max_digits - min_digits + 1, 16) }, (_, index) => min_digits + index);
  return lengths.flatMap((length) => [
    ...Array.from('0123456789', (digit) => digit.repeat(length)),
    '1234567890'.repeat(13).slice(0, length),
  ]);
}

/** The result of that name, of an effect that is no gather. */
function named(effect: Effect, outcome: string): EffectResult | undefined {
  switch (effect.kind) {
    case 'http':
      return outcome === 'timeout' ? { kind: 'timeout' } : undisturbed(effect);
    case 'amd':
      return DETECTED.get(outcome);
    case 'transfer':
      return DIALLED.get(outcome);
    case 'exec':
      return EXECUTED.get(outcome);
    default:
      return undisturbed(effect);
  }
}

const resultsOf = (...results: readonly (readonly [string, EffectResult])[]): ReadonlyMap<string, EffectResult> =>
  new Map(results);
const DETECTED = resultsOf(
  ['human', { kind: 'detected', result: 'human' }],
  ['machine', { kind: 'detected', result: 'machine' }],
  ['unsure', { kind: 'detected', result: 'unsure' }],
);
const DIALLED = resultsOf(
  ['answered', { kind: 'dialled', status: 'answered' }],
  ['busy', { kind: 'dialled', status: 'busy' }],
  ['no_answer', { kind: 'dialled', status: 'no_answer' }],
  ['failed', { kind: 'dialled', status: 'failed' }],
);
const EXECUTED = resultsOf(
  ['done', { kind: 'done' }],
  ['failed', { kind: 'failed', reason: 'simulated' }],
  ['unavailable', { kind: 'unavailable' }],
);
