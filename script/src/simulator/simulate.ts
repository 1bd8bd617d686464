import type { JsonObject } from '@voiceoi/contracts';
import type { CompiledScript } from '../compile/index.ts';
import { toPlainJson } from '../expression/index.ts';
import { advance, start } from '../interpreter/index.ts';
import type { CallContext, CallState, EffectDetail, Turn } from '../protocol.ts';
import { type SimulatedInput, World } from './world.ts';

export type { SimulatedInput } from './world.ts';

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
  const world = new World(script, context, request.inputs ?? []);
  const steps: SimulationResult['steps'][number][] = [];
  let atMs = 0;
  let turn: Turn = start(script, context, atMs);
  for (let count = 0; ; count++) {
    for (const { step, type, outcome, detail } of turn.finished) steps.push({ step, type, outcome, effects: detail });
    if (turn.end || !turn.effect) break;
    const { took, event } = world.react(turn.effect, turn.state);
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
    inputs_left: world.inputsLeft,
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
