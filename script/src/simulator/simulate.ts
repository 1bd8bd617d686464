import type { Json, JsonObject } from '@voiceoi/contracts';
import type { CompiledScript } from '../compile/compile.ts';
import { toPlainJson } from '../expression/values.ts';
import { advance, start } from '../interpreter/interpreter.ts';
import type { CallContext, CallState, Effect, EffectDetail, EffectResult, Turn } from '../interpreter/protocol.ts';

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

/** A call to try out. */
export interface SimulationRequest {
  readonly caller?: { readonly number: string; readonly name?: string };
  readonly lead?: { readonly [name: string]: string };
  readonly args?: { readonly [name: string]: string };
  /** The campaign's `variables`. */
  readonly variables?: JsonObject;
  readonly inputs?: readonly SimulatedInput[];
  readonly exec_allow?: readonly string[];
  readonly secrets?: ReadonlyMap<string, string>;
  /** When the call begins, epoch milliseconds. */
  readonly started_at_ms?: number;
  readonly facts?: Partial<CallContext['facts']>;
}

/** What became of it; no telephone was involved. */
export interface SimulationResult {
  readonly outcome: string;
  readonly disposition?: string;
  readonly reason?: string;
  readonly steps: readonly {
    readonly step: string;
    readonly type: string;
    readonly outcome: string;
    readonly effects: readonly EffectDetail[];
  }[];
  readonly variables: JsonObject;
  readonly inputs_left: number;
}

/** A simulation takes at most so many turns: every one costs simulated time, which `max_call_seconds` ends long before. */
const MOST_TURNS = 20_000;
/** Simulated milliseconds that an effect takes beside what it asks for. */
const TURN_MS = 10;

/** Plays a script against a list of inputs. Where none is left, or the next is not for the step, the world behaves as contract.md says. */
export function simulate(script: CompiledScript, request: SimulationRequest = {}): SimulationResult {
  const context = contextOf(request);
  const inputs = [...(request.inputs ?? [])];
  const steps: SimulationResult['steps'][number][] = [];
  let atMs = 0;
  let turn: Turn = start(script, context, atMs);
  for (let count = 0; ; count++) {
    for (const { step, type, outcome, detail } of turn.finished) steps.push({ step, type, outcome, effects: detail });
    if (turn.end || !turn.effect) break;
    const { took, event } = react(turn.effect, inputs, script, turn);
    atMs += TURN_MS + took;
    const isOver = atMs > script.limits.max_call_seconds * 1000 || count >= MOST_TURNS;
    turn = advance(script, context, turn.state, isOver ? { kind: 'limit', at_ms: atMs } : { ...event, at_ms: atMs });
  }
  const { outcome = 'failed', disposition, reason } = turn.end ?? {};
  return {
    outcome,
    ...(disposition !== undefined && { disposition }),
    ...(reason !== undefined && { reason }),
    steps,
    variables: variablesOf(turn.state),
    inputs_left: inputs.length,
  };
}

function contextOf(request: SimulationRequest): CallContext {
  return {
    facts: {
      id: '00000000-0000-7000-8000-000000000000',
      org_id: 'simulation',
      campaign_id: 'simulation',
      script_id: 'simulation',
      version: 1,
      node_id: 'simulation',
      channel: 'Simulated/1',
      unique_id: '0.0',
      dnid: '',
      context: 'default',
      extension: 's',
      language: 'en',
      ...request.facts,
      args: { ...request.args },
      caller: { number: request.caller?.number ?? '', name: request.caller?.name ?? '' },
      started_at_ms: request.started_at_ms ?? Date.UTC(2026, 0, 1),
    },
    lead: { ...request.lead },
    variables: request.variables ?? {},
    secrets: request.secrets ?? new Map(),
    ...(request.exec_allow && { exec_allow: request.exec_allow }),
  };
}

function variablesOf(state: CallState): JsonObject {
  const vars = state['vars'];
  const plain = toPlainJson(vars ?? {});
  return plain !== null && typeof plain === 'object' && !Array.isArray(plain) ? (plain as JsonObject) : {};
}

type Reaction = {
  readonly took: number;
  readonly event: { readonly kind: 'result'; readonly result: EffectResult } | { readonly kind: 'hangup' };
};

const result = (value: EffectResult, took = 0): Reaction => ({ took, event: { kind: 'result', result: value } });

/** Effects that take an input from the list. */
const TAKES_INPUT: ReadonlySet<Effect['kind']> = new Set(['gather', 'record', 'http', 'amd', 'exec']);

function react(effect: Effect, inputs: SimulatedInput[], script: CompiledScript, turn: Turn): Reaction {
  const isDial = effect.kind === 'transfer' && effect.target.kind === 'dial';
  if (!TAKES_INPUT.has(effect.kind) && !isDial)
    return result(
      effect.kind === 'play' || effect.kind === 'say' ? { kind: 'played' } : { kind: 'done' },
      durationOf(effect),
    );
  const [input] = inputs;
  if (input && 'hangup' in input) {
    inputs.shift();
    return { took: 0, event: { kind: 'hangup' } };
  }
  const answered = input && answer(effect, input, outcomeNames(script, turn));
  if (!answered) return result(withoutInput(effect), durationOf(effect));
  inputs.shift();
  return result(answered);
}

function durationOf(effect: Effect): number {
  if (effect.kind === 'wait') return effect.ms;
  return effect.kind === 'gather' ? effect.timeout_ms : 0;
}

function outcomeNames(script: CompiledScript, turn: Turn): ReadonlySet<string> {
  const step = script.steps.get(String(turn.state['step']));
  return new Set([...(step?.targets.keys() ?? []), ...(step?.fallbacks.keys() ?? []), 'error']);
}

/** What the world does when nobody says anything. */
function withoutInput(effect: Effect): EffectResult {
  switch (effect.kind) {
    case 'gather':
      return { kind: 'gathered', digits: '', ended_by: 'timeout' };
    case 'record':
      return { kind: 'recorded', file: effect.name, duration_ms: effect.silence_seconds * 1000, ended_by: 'silence' };
    case 'http':
      return { kind: 'response', status: 200, headers: {}, body: {} };
    case 'amd':
      return { kind: 'detected', result: 'human' };
    case 'transfer':
      return { kind: 'dialled', status: 'answered' };
    default:
      return { kind: 'done' };
  }
}

/** The input as a result of this effect; undefined when it is not for it. */
function answer(effect: Effect, input: SimulatedInput, outcomes: ReadonlySet<string>): EffectResult | undefined {
  if ('outcome' in input) return outcomes.has(input.outcome) ? forOutcome(effect, input.outcome) : undefined;
  if ('response' in input) {
    const { status, headers = {}, body = {} } = input.response;
    return effect.kind === 'http' ? { kind: 'response', status, headers, body } : undefined;
  }
  if ('timeout' in input) return timedOut(effect);
  if (effect.kind === 'gather') return gathered(effect, input);
  if (effect.kind === 'record' && 'speech' in input)
    return { kind: 'recorded', file: effect.name, duration_ms: 1000, ended_by: 'silence' };
  if (effect.kind === 'record' && 'digits' in input)
    return {
      kind: 'recorded',
      file: effect.name,
      duration_ms: 1000,
      ended_by: 'digit',
      digit: input.digits.slice(0, 1),
    };
  return undefined;
}

function timedOut(effect: Effect): EffectResult | undefined {
  if (effect.kind === 'http') return { kind: 'timeout' };
  return effect.kind === 'gather' || effect.kind === 'record' ? withoutInput(effect) : undefined;
}

function gathered(effect: Extract<Effect, { kind: 'gather' }>, input: SimulatedInput): EffectResult | undefined {
  if ('speech' in input)
    return effect.speech ? { kind: 'gathered', digits: '', speech: input.speech, ended_by: 'speech' } : undefined;
  if (!('digits' in input)) return undefined;
  const end = effect.terminator === '' ? -1 : input.digits.indexOf(effect.terminator);
  const digits = (end < 0 ? input.digits : input.digits.slice(0, end)).slice(0, effect.max_digits);
  const ended_by = digits.length === effect.max_digits ? 'max_digits' : end < 0 ? 'timeout' : 'terminator';
  return { kind: 'gathered', digits, ended_by };
}

/** A result that leads to an outcome of the step, named by the simulation. */
function forOutcome(effect: Effect, outcome: string): EffectResult | undefined {
  if (outcome === 'error') return { kind: 'failed', reason: 'simulated' };
  switch (effect.kind) {
    case 'http':
      return outcome === 'timeout' ? { kind: 'timeout' } : withoutInput(effect);
    case 'amd':
      return outcome === 'human' || outcome === 'machine' || outcome === 'unsure'
        ? { kind: 'detected', result: outcome }
        : undefined;
    case 'transfer':
      return outcome === 'answered' || outcome === 'busy' || outcome === 'no_answer' || outcome === 'failed'
        ? { kind: 'dialled', status: outcome }
        : undefined;
    case 'exec':
      if (outcome === 'unavailable') return { kind: 'unavailable' };
      return outcome === 'failed' ? { kind: 'failed', reason: 'simulated' } : { kind: 'done' };
    case 'gather':
      return /^[0-9*#]+$/.test(outcome)
        ? { kind: 'gathered', digits: outcome, ended_by: 'max_digits' }
        : withoutInput(effect);
    default:
      return withoutInput(effect);
  }
}
