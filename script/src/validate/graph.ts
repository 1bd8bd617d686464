import type { ScriptDocument, Step } from '../schema/index.ts';
import type { Issues } from './issue.ts';
import { edgesOf, outcomesOf, traitsOf } from './wiring.ts';

type Graph = ReadonlyMap<string, readonly string[]>;

/** Looks at the script as a graph: loops that never wait, steps that nothing leads to, steps from which no end can be reached. */
export function checkGraph(document: ScriptDocument, issues: Issues): void {
  const graph = graphOf(document);
  const isInstant = (name: string): boolean => {
    const step = document.steps[name];
    return step !== undefined && traitsOf(step).instant;
  };
  for (const [first, cycle] of instantCycles(graph, isInstant))
    issues.error('BUSY_LOOP', ['steps', first], `${inWords(cycle)} goes round without ever waiting for anything`);
  const roots = [document.entry, document.on_error, document.on_hangup].filter((name) => name !== undefined);
  const reached = reachable(roots, graph);
  // An error is no way out that anybody planned: counted as one, a menu without an exit would never be told of.
  const ending = endingSteps(document, wiredGraph(document));
  for (const name of Object.keys(document.steps)) {
    if (!reached.has(name)) issues.warning('UNREACHABLE_STEP', ['steps', name], 'nothing leads to this step');
    else if (!ending.has(name)) issues.warning('NO_END', ['steps', name], 'no end can be reached from here');
  }
}

/** Most steps of a cycle that are named. */
const MOST_NAMED = 12;

function inWords(cycle: readonly string[]): string {
  const left = cycle.length - MOST_NAMED;
  return [...cycle.slice(0, MOST_NAMED), ...(left > 0 ? [`${left} more`] : [])].join(' → ');
}

function graphOf(document: ScriptDocument): Graph {
  return new Map(Object.entries(document.steps).map(([name, step]) => [name, successors(document, name, step)]));
}

/** Where steps lead by what is written in them. */
function wiredGraph(document: ScriptDocument): Graph {
  return new Map(
    Object.entries(document.steps).map(([name, step]) => [name, [...new Set(edgesOf(name, step).map(({ to }) => to))]]),
  );
}

/** Where a step can lead, its unwired `error` to `on_error` included; where `on_error` itself fails, the call ends. */
function successors(document: ScriptDocument, name: string, step: Step): readonly string[] {
  const wired = edgesOf(name, step).map(({ to }) => to);
  const { on_error } = document;
  const leadsToOnError = on_error !== undefined && on_error !== name && step.on?.error === undefined && canFail(step);
  return [...new Set([...wired, ...(leadsToOnError ? [on_error] : [])])];
}

/** Whether a step's `error` can happen at all: a condition or value can fail, plain moving on cannot. */
function canFail(step: Step): boolean {
  return step.type !== 'split' && !(step.type === 'dispose' && step.comment === undefined && step.fields === undefined);
}

/** Cycles of instant steps alone, one for each step that one begins at. A `set` that writes channel variables counts: the answer is quick. */
function instantCycles(graph: Graph, isInstant: (name: string) => boolean): ReadonlyMap<string, readonly string[]> {
  const done = new Set<string>();
  const cycles = new Map<string, readonly string[]>();
  for (const start of graph.keys()) {
    if (!isInstant(start) || done.has(start)) continue;
    walkInstant(start, graph, isInstant, done, cycles);
  }
  return cycles;
}

/** Depth-first without recursion: a script may be a chain of a thousand steps. */
function walkInstant(
  start: string,
  graph: Graph,
  isInstant: (name: string) => boolean,
  done: Set<string>,
  cycles: Map<string, readonly string[]>,
): void {
  const trail: { readonly name: string; rest: readonly string[] }[] = [];
  const onTrail = new Map<string, number>();
  const enter = (name: string): void => {
    onTrail.set(name, trail.length);
    trail.push({ name, rest: (graph.get(name) ?? []).filter(isInstant) });
  };
  enter(start);
  for (let top = trail.at(-1); top; top = trail.at(-1)) {
    const [next, ...rest] = top.rest;
    top.rest = rest;
    if (next === undefined) {
      trail.pop();
      onTrail.delete(top.name);
      done.add(top.name);
    } else if (onTrail.has(next)) {
      if (!cycles.has(next))
        cycles.set(
          next,
          trail.slice(onTrail.get(next)).map(({ name }) => name),
        );
    } else if (!done.has(next)) enter(next);
  }
}

function reachable(roots: readonly string[], graph: Graph): ReadonlySet<string> {
  const reached = new Set<string>();
  const waiting = [...roots];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    waiting.push(...(graph.get(name) ?? []));
  }
  return reached;
}

/** Steps from which a step that ends the call can be reached: backwards from those. */
function endingSteps(document: ScriptDocument, graph: Graph): ReadonlySet<string> {
  const backwards = new Map<string, string[]>();
  for (const [name, targets] of graph) {
    for (const target of targets) backwards.set(target, [...(backwards.get(target) ?? []), name]);
  }
  const ends = Object.entries(document.steps).filter(
    ([, step]) => traitsOf(step).ends && outcomesOf(step).length === 0,
  );
  return reachable(
    ends.map(([name]) => name),
    backwards,
  );
}
