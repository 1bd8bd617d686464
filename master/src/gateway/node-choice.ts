import type { NodeAddress } from './addresses.ts';

/** A node that may take the next call or request. */
export interface Candidate {
  /** The same for all that goes to this node of this organization. */
  readonly key: string;
  readonly nodeId: string;
  readonly isFromLoopback: boolean;
  readonly url: NodeAddress | undefined;
  readonly agi: NodeAddress | undefined;
  /** Key that a request carries to it; undefined: it has none that is good. */
  readonly secret: string | undefined;
  readonly active: number;
  readonly capacity: number;
  /** When it reported that, by the clock of `performance.now()`. */
  readonly reportedAt: number;
}

/** A call over AGI, which the node will report, or a request, which counts only while it lasts. */
export type Kind = 'call' | 'request';

/** Something on its way to a node. */
export interface Flight {
  end(): void;
}

/** What this master knows of nodes beside what they report. */
export interface NodeLoads {
  /** The least busy of those that have room, can be reached and were not tried; ties are broken at random. */
  choose(kind: Kind, candidates: readonly Candidate[], tried: ReadonlySet<string>): Candidate | undefined;
  start(kind: Kind, candidate: Candidate): Flight;
  /** It could not be reached: it is left alone for a while. */
  avoid(kind: Kind, candidate: Candidate): void;
}

interface Change {
  readonly at: number;
  readonly by: 1 | -1;
}

/** How long a node that could not be reached is left alone. */
const AVOID_MS = 5_000;
/** A report that counts is younger, and what came before it is in it. */
const REMEMBER_MS = 120_000;
/** Nodes are forgotten when there are more, as soon as nothing has happened to them for a while. */
const MOST_NODES = 10_000;

/**
 * Nodes report their calls every few seconds. What this master has sent to one, and what of it has ended, since the node's last report, is
 * added to it, so that a burst of calls spreads.
 */
export function nodeLoads(now: () => number = () => performance.now(), random: () => number = Math.random): NodeLoads {
  const changes = new Map<string, Change[]>();
  const avoided = new Map<string, number>();

  const change = ({ key, reportedAt }: Candidate, by: 1 | -1): Change => {
    if (changes.size > MOST_NODES) forgetIdle(changes, now() - REMEMBER_MS);
    const one = { at: now(), by };
    const since = Math.max(reportedAt, one.at - REMEMBER_MS);
    const kept = (changes.get(key) ?? []).filter(({ at }) => at > since);
    changes.set(key, [...kept, one]);
    return one;
  };
  const loadOf = ({ key, active, reportedAt }: Candidate): number => {
    const since = (changes.get(key) ?? []).filter(({ at }) => at > reportedAt);
    return Math.max(
      0,
      since.reduce((sum, { by }) => sum + by, active),
    );
  };
  const isAvoided = (kind: Kind, { key }: Candidate): boolean => (avoided.get(`${kind} ${key}`) ?? 0) > now();

  return {
    choose: (kind, candidates, tried) => {
      const free = candidates
        .filter((candidate) => !tried.has(candidate.key) && !isAvoided(kind, candidate))
        .map((candidate) => ({ candidate, load: loadOf(candidate) }))
        .filter(({ candidate, load }) => load < candidate.capacity);
      const least = Math.min(...free.map(({ load }) => load));
      const best = free.filter(({ load }) => load === least);
      return best[Math.floor(random() * best.length)]?.candidate;
    },
    start: (kind, candidate) => {
      const { key } = candidate;
      const started = change(candidate, 1);
      let hasEnded = false;
      return {
        end: () => {
          if (hasEnded) return;
          hasEnded = true;
          if (kind === 'call') change(candidate, -1);
          else
            changes.set(
              key,
              (changes.get(key) ?? []).filter((one) => one !== started),
            );
        },
      };
    },
    avoid: (kind, { key }) => {
      for (const [other, until] of avoided) if (until <= now()) avoided.delete(other);
      avoided.set(`${kind} ${key}`, now() + AVOID_MS);
    },
  };
}

function forgetIdle(changes: Map<string, Change[]>, before: number): void {
  for (const [key, list] of changes) if ((list.at(-1)?.at ?? 0) < before) changes.delete(key);
}
