import { type DialedCall, isTaken, type SeenCall } from './calls.ts';
import { type Span, within } from './machine.ts';
import type { Publication } from './publisher.ts';

/** A call as Postgres has it. */
export interface StoredCall {
  readonly call_id: string;
  readonly node_id: string;
  readonly version: number | null;
  readonly outcome: string;
  readonly disposition: string | null;
  readonly steps: number;
  /** Numbers of the steps that are stored, in order. */
  readonly seqs: readonly number[];
}

/** What is known of a node beside its calls. */
export interface NodeHistory {
  readonly name: string;
  /** It was not there to take calls, or said that it takes none. */
  readonly away: readonly Span[];
  /** It could not know what was published. */
  readonly blind: readonly Span[];
  readonly killedAt: readonly number[];
  /** Meanwhile it may begin to play something older than before. */
  readonly mayGoBack: readonly Span[];
}

/** All that a drill left behind. */
export interface Evidence {
  readonly dialed: readonly DialedCall[];
  readonly published: readonly Publication[];
  /** Version by prompt, as Postgres has them. */
  readonly versions: ReadonlyMap<string, number>;
  readonly stored: readonly StoredCall[];
  /** Ids of all calls that were ever placed. */
  readonly known: ReadonlySet<string>;
  readonly nodes: readonly NodeHistory[];
  /** How soon after the API's answer a node plays a version. */
  readonly dueMs: number;
}

const DEAD_AIR_MS = 2000;
const FIRST_COMMAND_MS = 5000;
/** A call that is killed as it begins may be unknown: it does not wait until its start is written, which takes as long as the disk is busy. */
const BEGINNING_MS = 250;
/** What the two ends of one connection may see apart. */
const APART_MS = 250;

/** Everything that is not as it should be, in words; nothing when all is well. */
export function violations(evidence: Evidence): readonly string[] {
  const seen = evidence.dialed.flat();
  return [
    ...evidence.dialed.flatMap((dialed) => refusals(dialed, evidence)),
    ...seen.flatMap((call) => [...silences(call, evidence), ...wrongVersions(call, evidence)]),
    ...evidence.nodes.flatMap((node) => backwards(node, seen, evidence)),
    ...records(seen, evidence),
  ];
}

function historyOf({ nodes }: Evidence, name: string): NodeHistory {
  const found = nodes.find((node) => node.name === name);
  if (!found) throw new Error(`no node ${name}`);
  return found;
}

/** A call that was seen to end before the kill had ended. One that began behind it may have been taken by a process about to go. */
function wasKilled(call: SeenCall, { killedAt }: NodeHistory): boolean {
  return killedAt.some((at) => at >= call.startedAt - APART_MS && at <= call.endedAt);
}

const named = (call: SeenCall): string =>
  `call ${call.call_id ?? '(no id)'} on ${call.node} from ${Math.round(call.startedAt)} to ${Math.round(call.endedAt)} ms (${call.agistatus} ${call.failure ?? ''}, played ${call.prompts})`;

function refusals(dialed: DialedCall, evidence: Evidence): readonly string[] {
  const wrong = dialed.filter(
    (call) => !isTaken(call) && !within(historyOf(evidence, call.node).away, call.startedAt - APART_MS, call.endedAt),
  );
  return wrong.map((call) => `refused, though it could have been taken: ${named(call)}`);
}

function silences(call: SeenCall, evidence: Evidence): readonly string[] {
  if (wasKilled(call, historyOf(evidence, call.node))) return [];
  const first = call.first_command_ms ?? (isTaken(call) ? call.duration_ms : 0);
  const longest = Math.max(0, ...call.turns_ms);
  return [
    ...(first > FIRST_COMMAND_MS ? [`no first command for ${Math.round(first)} ms: ${named(call)}`] : []),
    ...(longest > DEAD_AIR_MS ? [`dead air of ${Math.round(longest)} ms: ${named(call)}`] : []),
    ...(isTaken(call) && call.outcome !== 'completed' ? [`not played to its end: ${named(call)}`] : []),
  ];
}

function versionOf(call: SeenCall, { versions }: Evidence): number | undefined {
  return call.prompts[0] === undefined ? undefined : versions.get(call.prompts[0]);
}

function wrongVersions(call: SeenCall, evidence: Evidence): readonly string[] {
  if (call.prompts.length === 0) return [];
  const version = versionOf(call, evidence);
  if (version === undefined) return [`played what was never published: ${named(call)}`];
  const { blind, away } = historyOf(evidence, call.node);
  const late = evidence.published.filter(
    (one) => one.version > version && dueAt(one.answeredAt, evidence.dueMs, [...blind, ...away]) < call.startedAt,
  );
  const newest = late.at(-1);
  return [
    ...(new Set(call.prompts).size > 1 ? [`changed its version on the way: ${named(call)}`] : []),
    ...(newest
      ? [
          `played version ${version} ${Math.round(call.startedAt - newest.answeredAt)} ms after ${newest.version} was published: ${named(call)}`,
        ]
      : []),
  ];
}

/** When a node has to play what was published then: later for each time in which it could not know. */
function dueAt(answeredAt: number, dueMs: number, blind: readonly Span[]): number {
  let due = answeredAt + dueMs;
  for (const { from, until = Number.POSITIVE_INFINITY } of [...blind].sort((a, b) => a.from - b.from))
    if (from < due && until > answeredAt) due = Math.max(due, until + dueMs);
  return due;
}

function backwards(node: NodeHistory, seen: readonly SeenCall[], evidence: Evidence): readonly string[] {
  const calls = seen
    .filter((call) => call.node === node.name && versionOf(call, evidence) !== undefined)
    .filter((call) => !within(node.mayGoBack, call.startedAt))
    .sort((a, b) => a.startedAt - b.startedAt);
  return calls.flatMap((call) => {
    const version = versionOf(call, evidence) ?? 0;
    const since = Math.max(0, ...node.mayGoBack.map(({ from }) => from).filter((at) => at <= call.startedAt));
    const newer = calls.find(
      (before) =>
        before.startedAt >= since &&
        before.startedAt + (before.first_command_ms ?? 0) < call.startedAt &&
        (versionOf(before, evidence) ?? 0) > version,
    );
    return newer ? [`went back: ${named(call)} after ${named(newer)}`] : [];
  });
}

function records(seen: readonly SeenCall[], evidence: Evidence): readonly string[] {
  const byId = new Map<string, StoredCall[]>();
  for (const one of evidence.stored) byId.set(one.call_id, [...(byId.get(one.call_id) ?? []), one]);
  const doubled = [...byId].filter(([, all]) => all.length > 1).map(([id]) => `stored more than once: ${id}`);
  const unknown = evidence.stored.filter(
    ({ call_id, outcome, node_id }) =>
      !evidence.known.has(call_id) &&
      outcome !== 'refused' &&
      !(outcome === 'failed' && historyOf(evidence, node_id).killedAt.length > 0),
  );
  return [
    ...doubled,
    ...unknown.map(({ call_id, outcome }) => `stored, but nobody called: ${call_id} ${outcome}`),
    ...seen.flatMap((call) => {
      const [stored] = byId.get(call.call_id ?? '') ?? [];
      return call.call_id === undefined ? [] : recordOf(call, stored, evidence);
    }),
  ];
}

function recordOf(call: SeenCall, stored: StoredCall | undefined, evidence: Evidence): readonly string[] {
  const { killedAt } = historyOf(evidence, call.node);
  const killed = wasKilled(call, historyOf(evidence, call.node));
  if (!stored && killedAt.some((at) => at >= call.startedAt && at <= call.startedAt + BEGINNING_MS)) return [];
  if (!stored) return [`no record: ${named(call)}, kills at ${killedAt.map(Math.round)}`];
  if (killed && stored.outcome === 'failed') return [];
  // Whoever was cut by a kill may have been played to the end, and the end was written.
  const outcome = killed ? 'completed' : call.outcome;
  const disposition = call.prompts[0]?.toUpperCase();
  const isSame =
    stored.outcome === outcome && stored.version === versionOf(call, evidence) && stored.disposition === disposition;
  const isWhole = stored.seqs.length === stored.steps && stored.seqs.every((seq, index) => seq === index);
  return [
    ...(isSame ? [] : [`the record says ${stored.outcome}, version ${stored.version}: ${named(call)}`]),
    ...(isWhole ? [] : [`of ${stored.steps} steps there are ${stored.seqs}: ${named(call)}`]),
  ];
}
