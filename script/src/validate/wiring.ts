import { closest } from '../closest.ts';
import type { ScriptDocument, Step } from '../schema/index.ts';
import { type Outcome, STEP_TYPES, type StepType } from '../schema/index.ts';
import type { Issues } from './issue.ts';

/** An edge of the script: from a step to another by a field of the document. */
export interface Edge {
  readonly to: string;
  readonly path: readonly (string | number)[];
}

/** Traits of a step's type. */
export function traitsOf(step: Step): StepType {
  return STEP_TYPES[step.type];
}

/** The outcomes that a step of this document can take; a transfer has some only when it dials. */
export function outcomesOf(step: Step): readonly Outcome[] {
  if (step.type === 'transfer' && !('dial' in step.to)) return [];
  return traitsOf(step).outcomes;
}

/** Every place of a step that names another step. */
export function edgesOf(name: string, step: Step): readonly Edge[] {
  const path = ['steps', name];
  const edges: Edge[] = Object.entries(step.on ?? {}).map(([outcome, to]) => ({ to, path: [...path, 'on', outcome] }));
  if ('next' in step && step.next !== undefined) edges.push({ to: step.next, path: [...path, 'next'] });
  if (step.type === 'branch') {
    for (const [index, { next }] of step.cases.entries())
      edges.push({ to: next, path: [...path, 'cases', index, 'next'] });
    edges.push({ to: step.else, path: [...path, 'else'] });
  }
  if (step.type === 'split') {
    for (const [index, { next }] of step.arms.entries())
      edges.push({ to: next, path: [...path, 'arms', index, 'next'] });
  }
  return edges;
}

/** Where a step's outcomes lead: `on`, with `next` as the default outcome's. */
export function wiringOf(step: Step): ReadonlyMap<string, string> {
  const wiring = new Map<string, string>(Object.entries(step.on ?? {}));
  const first = outcomesOf(step)[0]?.name;
  if ('next' in step && step.next !== undefined && first !== undefined && !wiring.has(first))
    wiring.set(first, step.next);
  return wiring;
}

/** Checks that every name leads to a step, and that every outcome is wired. */
export function checkWiring(document: ScriptDocument, issues: Issues): void {
  const names = Object.keys(document.steps);
  const mustExist = (to: string, path: readonly (string | number)[]): void => {
    if (Object.hasOwn(document.steps, to)) return;
    const near = closest(to, names);
    issues.error('UNKNOWN_STEP', path, `"${to}" is not a step${near ? `; did you mean "${near}"?` : ''}`);
  };
  mustExist(document.entry, ['entry']);
  if (document.on_error !== undefined) mustExist(document.on_error, ['on_error']);
  if (document.on_hangup !== undefined) mustExist(document.on_hangup, ['on_hangup']);
  for (const [name, step] of Object.entries(document.steps)) {
    for (const { to, path } of edgesOf(name, step)) mustExist(to, path);
    checkOutcomes(name, step, issues);
  }
}

function checkOutcomes(name: string, step: Step, issues: Issues): void {
  const path = ['steps', name];
  const outcomes = outcomesOf(step);
  const wiring = wiringOf(step);
  if ('next' in step && step.next !== undefined && outcomes.length === 0) {
    issues.error('UNKNOWN_OUTCOME', [...path, 'next'], `this step ends the call: nothing comes next`);
  }
  for (const outcome of Object.keys(step.on ?? {})) {
    if (!isOutcome(step, outcome))
      issues.error('UNKNOWN_OUTCOME', [...path, 'on', outcome], unknownOutcome(step, outcome));
  }
  for (const { name: outcome, fallback } of outcomes) {
    if (fallback === undefined && !wiring.has(outcome)) {
      issues.error(
        'MISSING_OUTCOME',
        path,
        `the outcome "${outcome}" leads nowhere: wire it in "on"${outcome === outcomes[0]?.name ? ' or by "next"' : ''}`,
      );
    }
  }
  if (step.type === 'gather') checkGather(path, wiring, issues);
}

const GATHER_OUTCOMES: ReadonlySet<string> = new Set(['match', 'timeout', 'invalid', 'error']);

function checkGather(path: readonly string[], wiring: ReadonlyMap<string, string>, issues: Issues): void {
  const takesInput = wiring.has('match') || [...wiring.keys()].some((name) => !GATHER_OUTCOMES.has(name));
  if (!takesInput)
    issues.error('MISSING_OUTCOME', path, 'no input leads anywhere: wire a key (such as "1") or "match"');
}

function isOutcome(step: Step, name: string): boolean {
  if (name === 'error' || outcomesOf(step).some((outcome) => outcome.name === name)) return true;
  if (step.type !== 'gather') return false;
  return /^[0-9*#]{1,128}$/.test(name) || (step.input?.includes('speech') ?? false);
}

function unknownOutcome(step: Step, name: string): string {
  const known = [...outcomesOf(step).map((outcome) => outcome.name), 'error'];
  if (step.type === 'gather')
    return `"${name}" is neither an outcome (${known.join(', ')}) nor keys of a telephone; words need "input" with "speech"`;
  const near = closest(name, known);
  return `a ${step.type} has no outcome "${name}"${near ? `; did you mean "${near}"?` : `: there are ${known.join(', ')}`}`;
}
