import { expect } from 'vitest';
import { eventually } from '../services/standalone.ts';
import { type CallGenerator, knownCalls, startCalls } from './calls.ts';
import { type Evidence, type StoredCall, violations } from './checker.ts';
import type { Span } from './machine.ts';
import { numberOf, type Publication, publisherOf } from './publisher.ts';
import type { DrillMaster, DrillNode, World } from './world.ts';
import { ORG } from './world.ts';

/** What a drill does while calls are running. */
export interface Drill {
  readonly calls: CallGenerator;
  publish(master?: DrillMaster): Promise<Publication>;
  /** Resolves once new calls on these nodes (all unless given) play it, or something newer. */
  untilPlayed(publication: Publication, timeoutMs: number, nodes?: readonly DrillNode[]): Promise<void>;
  /** While `work` runs these nodes cannot know what is published. */
  blind(nodes: readonly DrillNode[], work: () => Promise<void>): Promise<void>;
  /** While `work` runs these nodes may refuse calls. */
  away(nodes: readonly DrillNode[], work: () => Promise<void>): Promise<void>;
  /** While `work` runs these nodes may begin to play something older than before. */
  mayGoBack(nodes: readonly DrillNode[], work: () => Promise<void>): Promise<void>;
  /** What was published so far is no longer there. */
  forgetPublished(): Promise<void>;
}

interface DrillOptions {
  /** How soon after the API's answer every node plays a version. */
  readonly dueMs?: number;
  readonly perSecond?: number;
  /** How often a version is published by itself; not at all unless given. */
  readonly publishEveryMs?: number;
}

/** How long records may be on their way after the last call: what a sender had on its way as a connection died it sends again after 30 s. */
const SETTLE_MS = 60_000;

/** Runs calls while `work` breaks things; fails with everything that was not as it should be. */
export async function drill(
  world: World,
  { dueMs = 2000, perSecond = 12, publishEveryMs }: DrillOptions,
  work: (drill: Drill) => Promise<void>,
): Promise<void> {
  const calls = startCalls(world, perSecond);
  const publisher = publisherOf(world);
  const notes = new Map(world.nodes.map(({ name }) => [name, { blind: [], away: [], mayGoBack: [] } as Notes]));
  const noteOf = (node: DrillNode): Notes => notes.get(node.name) ?? { blind: [], away: [], mayGoBack: [] };
  const versions = new Map<string, number>();
  let forgotten = 0;
  const remember = async (): Promise<void> => {
    for (const [prompt, version] of await promptVersions(world)) versions.set(prompt, version);
  };
  const during = async (kind: keyof Notes, nodes: readonly DrillNode[], act: () => Promise<void>) => {
    const spans = nodes.map((node) => {
      const span: Span = { from: performance.now(), until: undefined };
      noteOf(node)[kind].push(span);
      return span;
    });
    await act();
    for (const span of spans) span.until = performance.now();
  };
  const end = publishEveryMs === undefined ? async () => {} : publisher.every(publishEveryMs);
  try {
    await work({
      calls,
      publish: publisher.publish,
      untilPlayed: async (publication, timeoutMs, nodes = world.nodes) => {
        await Promise.all(nodes.map((node) => untilPlayed(calls, node, publication, timeoutMs)));
      },
      blind: (nodes, act) => during('blind', nodes, act),
      away: (nodes, act) => during('away', nodes, act),
      mayGoBack: (nodes, act) => during('mayGoBack', nodes, act),
      forgetPublished: async () => {
        await remember();
        forgotten = publisher.published.length;
      },
    });
    await end();
    const last = await publisher.publish();
    await Promise.all(world.nodes.map((node) => untilPlayed(calls, node, last, dueMs + 5000)));
  } finally {
    await end();
    await calls.stop();
  }
  await remember();
  const evidence = async (): Promise<Evidence> => ({
    dialed: calls.dialed,
    published: publisher.published.slice(forgotten),
    versions,
    stored: await storedCalls(world),
    known: knownCalls,
    nodes: world.nodes.map((node) => {
      const { away, ...rest } = noteOf(node);
      return { name: node.name, killedAt: node.killedAt, away: [...node.away, ...away], ...rest };
    }),
    dueMs,
  });
  const missing = await eventually(
    async () => violations(await evidence()),
    (found) => !found.some((one) => /^(no record|of \d+ steps)/.test(one)),
    SETTLE_MS,
  ).catch(async () => violations(await evidence()));
  expect(missing).toEqual([]);
  expect(calls.dialed.length).toBeGreaterThan(perSecond / 2);
}

interface Notes {
  readonly blind: Span[];
  readonly away: Span[];
  readonly mayGoBack: Span[];
}

async function untilPlayed(calls: CallGenerator, node: DrillNode, { prompt }: Publication, ms: number): Promise<void> {
  const ask = async (): Promise<string> => (await calls.placeOn(node)).prompts[0] ?? 'p-1';
  await eventually(ask, (played) => numberOf(played) >= numberOf(prompt), ms);
}

async function promptVersions({ sql }: World): Promise<readonly (readonly [string, number])[]> {
  const rows = await sql<{ prompt: string; version: number }>(
    `SELECT document #>> '{steps,b,prompts,0}' AS prompt, version FROM script_version WHERE org_id = $1 AND script_id = 's1'`,
    [ORG],
  );
  return rows.map(({ prompt, version }) => [prompt, version]);
}

async function storedCalls({ sql }: World): Promise<readonly StoredCall[]> {
  return sql<StoredCall>(
    `SELECT c.call_id, c.node_id, c.version, c.outcome, c.disposition, (c.record ->> 'steps')::int AS steps,
      (SELECT coalesce(array_agg(e.seq ORDER BY e.seq), '{}') FROM call_event e WHERE e.org_id = c.org_id AND e.call_id = c.call_id) AS seqs
    FROM call_record c WHERE c.org_id = $1 AND c.campaign_id = 'c1'`,
    [ORG],
  );
}
