import type { CompiledScript, CompiledStep } from '../compile/index.ts';
import { renewWork } from '../expression/index.ts';
import type {
  CallContext,
  CallEnd,
  CallEvent,
  CallState,
  Effect,
  EffectResult,
  StepRecord,
  Turn,
} from '../protocol.ts';
import type { Next } from '../steps/index.ts';
import { askedFor, withoutEchoes, withoutSecrets, withResult } from './detail.ts';
import { Run } from './run.ts';
import type { State } from './state.ts';
import { initialVariables } from './variables.ts';

/** Begins a call; `atMs` is how long ago it began. Never throws for a script that compiled. */
export function start(script: CompiledScript, context: CallContext, atMs = 0): Turn {
  renewWork();
  const run = new Run(script, context, firstState(script, context, atMs), atMs);
  const finished: StepRecord[] = [];
  return proceed(run, finished, () => enter(run, script.entry));
}

/** Goes on with what happened. `state` is that of the last turn, of the same script version and context. Never throws. */
export function advance(script: CompiledScript, context: CallContext, state: CallState, event: CallEvent): Turn {
  renewWork();
  const before = state as unknown as State;
  const run = new Run(script, context, before, Math.max(event.at_ms, before.entered_at_ms));
  const finished: StepRecord[] = [];
  if (event.kind === 'limit') return onLimit(run, before, finished);
  if (event.kind === 'hangup' && !run.hungUp) return onHangup(run, before, event.result, finished);
  const result: EffectResult = event.result ?? { kind: 'failed', reason: 'the caller is gone' };
  run.detail = [...run.detail, withResult(before.pending, result, run.context)];
  return proceed(run, finished, () => resume(run, result));
}

function firstState(script: CompiledScript, context: CallContext, atMs: number): Omit<State, 'pending'> {
  return {
    step: script.entry,
    seq: -1,
    entered_at_ms: atMs,
    detail: [],
    vars: initialVariables(script.variables, context),
    input: {},
    since_input: 0,
    in_error: false,
    hung_up: false,
  };
}

/** Steps on from `first` until an effect has to be waited for, or the call ends. `max_steps` bounds it. */
function proceed(run: Run, finished: StepRecord[], first: () => Next): Turn {
  let next = attempt(first);
  for (;;) {
    if ('effect' in next) return waiting(run, next.effect, finished);
    if ('end' in next) return ended(run, finished, next.end, next.end);
    const left = leave(run, finished, next);
    if ('stuck' in left) return theEnd(run, finished, 'failed', left.stuck);
    next = attempt(() => enter(run, left.target));
  }
}

/** Finishes the step and finds where it leads; `stuck` says why there is nowhere to go. */
function leave(
  run: Run,
  finished: StepRecord[],
  next: Exclude<Next, { effect: Effect } | { end: string }>,
): { target: string } | { stuck: string | undefined } {
  const isGoto = 'goto' in next;
  const label = isGoto ? next.label : outcomeTaken(run, next.outcome);
  const target = isGoto ? next.goto : targetOf(run, next.outcome);
  finish(run, finished, label);
  if (target === undefined) {
    if (label === SKIPPED) return { stuck: undefined };
    const reason = isGoto ? undefined : next.reason;
    return { stuck: `step "${run.step}": ${reason ?? `the outcome "${label}" leads nowhere`}` };
  }
  // Nobody is there whose input could end it, and skipped steps take no time: what runs after a hangup is short.
  const max_steps = run.hungUp ? Math.min(run.script.limits.max_steps, MOST_AFTER_HANGUP) : run.script.limits.max_steps;
  return run.sinceInput >= max_steps ? { stuck: `${max_steps} steps without input from the caller` } : { target };
}

/** An outcome such as a webhook’s `timeout` exists where it is wired; elsewhere it is `error`. */
function outcomeTaken(run: Run, outcome: string): string {
  const { fallbacks, targets } = stepOf(run);
  return fallbacks.get(outcome) === 'error' && !targets.has(outcome) ? 'error' : outcome;
}

/** What a step throws is a value that cannot be computed with: its `error` outcome. */
function attempt(act: () => Next): Next {
  try {
    return act();
  } catch (error) {
    const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'unexpected';
    return { outcome: 'error', reason: message };
  }
}

function enter(run: Run, name: string): Next {
  run.step = name;
  run.seq += 1;
  run.enteredAtMs = run.atMs;
  run.detail = [];
  run.progress = undefined;
  run.sinceInput += 1;
  const step = stepOf(run);
  if (run.hungUp && step.isLive) return { outcome: SKIPPED };
  return step.run.enter(run);
}

function resume(run: Run, result: EffectResult): Next {
  const { run: runnable } = stepOf(run);
  if (result.kind === 'failed' && !runnable.takesFailure) return { outcome: 'error', reason: result.reason };
  return runnable.resume?.(run, result) ?? { outcome: 'error', reason: 'a result that nobody asked for' };
}

function stepOf(run: Run): CompiledStep {
  const step = run.script.steps.get(run.step);
  if (!step) throw new Error(`there is no step "${run.step}"`);
  return step;
}

/** Steps that may run once the caller is gone. */
const MOST_AFTER_HANGUP = 100;

/** Outcome of a step that needs somebody on the line when nobody is. */
const SKIPPED = 'skipped';

/** Where an outcome leads; undefined when nothing is wired for it. Keeps count of errors on the way. */
function targetOf(run: Run, outcome: string): string | undefined {
  const step = stepOf(run);
  if (outcome === SKIPPED)
    return step.defaultOutcome === undefined
      ? undefined
      : (step.targets.get(step.defaultOutcome) ?? [...step.targets.values()][0]);
  const wired = step.targets.get(outcome) ?? fallbackOf(step, outcome);
  if (wired !== undefined) {
    if (outcome !== 'error') run.inError = false;
    return wired;
  }
  const wiredError = step.targets.get('error');
  if (wiredError !== undefined) return wiredError;
  // A step of on_error that fails before anything has gone well must not go round in silence.
  if (run.inError) return undefined;
  run.inError = true;
  return run.script.onError;
}

function fallbackOf(step: CompiledStep, outcome: string): string | undefined {
  const isDefault = step.fallbacks.get(outcome) === 'default' && step.defaultOutcome !== undefined;
  return isDefault ? step.targets.get(step.defaultOutcome ?? '') : undefined;
}

function waiting(run: Run, effect: Effect, finished: readonly StepRecord[]): Turn {
  const state = run.waiting(askedFor(effect));
  return { state: state as unknown as CallState, finished, step_type: stepOf(run).type, effect };
}

function finish(run: Run, finished: StepRecord[], outcome: string): void {
  finished.push({
    seq: run.seq,
    step: run.step,
    type: stepOf(run).type,
    outcome,
    at_ms: run.enteredAtMs,
    duration_ms: run.atMs - run.enteredAtMs,
    detail: run.detail.map((effect) => withoutEchoes(effect, run.context)),
  });
}

function ended(run: Run, finished: StepRecord[], label: string, outcome: CallEnd['outcome'], reason?: string): Turn {
  finish(run, finished, label);
  return theEnd(run, finished, outcome, reason);
}

function theEnd(run: Run, finished: readonly StepRecord[], outcome: CallEnd['outcome'], reason?: string): Turn {
  const end: CallEnd = {
    outcome: run.hungUp ? 'caller_hangup' : outcome,
    ...withoutEchoes(run.disposed(), run.context),
    ...(run.arm !== undefined && { arm: run.arm }),
    ...(reason !== undefined && { reason: withoutSecrets(reason, run.context).slice(0, 512) }),
  };
  return { state: run.waiting({ kind: 'hangup' }) as unknown as CallState, finished, end };
}

function onLimit(run: Run, before: State, finished: StepRecord[]): Turn {
  run.detail = [...run.detail, before.pending];
  return ended(run, finished, 'limit', 'limit', `max_call_seconds (${run.script.limits.max_call_seconds}) is over`);
}

/** The caller has left: what ran ends, and `on_hangup` begins, if there is one. */
function onHangup(run: Run, before: State, result: EffectResult | undefined, finished: StepRecord[]): Turn {
  const step = stepOf(run);
  run.detail = [...run.detail, withResult(before.pending, result, run.context)];
  // A hangup that the script itself asked for, and a transfer or return that was done, end as they were meant to.
  const wasDone = result?.kind === 'done' && (step.type === 'transfer' || step.type === 'return');
  if (step.type === 'hangup' || wasDone) return proceed(run, finished, () => resume(run, result ?? { kind: 'done' }));
  if (result && result.kind !== 'failed') keepInput(run, result);
  run.hungUp = true;
  run.sinceInput = 0;
  finish(run, finished, 'hangup');
  const target = run.script.onHangup;
  return target === undefined
    ? theEnd(run, finished, 'caller_hangup')
    : proceed(run, finished, () => enter(run, target));
}

/** What the caller brought before leaving is there for `on_hangup`: a recording above all. */
function keepInput(run: Run, result: EffectResult): void {
  attempt(() => {
    // A call that was put through, and a recording, count although the caller hung up in their midst.
    if (result.kind === 'recorded' || result.kind === 'dialled') resume(run, result);
    if (result.kind === 'gathered' && result.digits !== '') run.bring('digits', result.digits, true);
    if (result.kind === 'gathered' && result.speech) run.bring('speech', result.speech, true);
    return { outcome: 'done' };
  });
}
