import { type PeerResult, placeCall } from '../../tools/call/peer.ts';
import type { DrillNode, World } from './world.ts';
import { ORG } from './world.ts';

/** One try to place a call on one node, as the caller saw it. Times by `performance.now()`. */
export interface SeenCall extends PeerResult {
  readonly node: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** What was played, in order. */
  readonly prompts: readonly string[];
}

/** A call as the dialplan places it: on one node, and where that does not take it on the next. */
export type DialedCall = readonly SeenCall[];

export interface CallGenerator {
  readonly dialed: readonly DialedCall[];
  /** Resolves with a call that begins now, on this node alone, and whose sounds take no time. */
  placeOn(node: DrillNode): Promise<SeenCall>;
  /** Places no more; resolves once those under way have ended. */
  stop(): Promise<void>;
}

/** Ids of all calls that were ever placed, by any drill. */
export const knownCalls = new Set<string>();

/** Places calls at a steady rate, on each node in turn. */
export function startCalls({ nodes }: World, perSecond: number): CallGenerator {
  const dialed: DialedCall[] = [];
  const running = new Set<Promise<void>>();
  let number = 0;
  const place = async (): Promise<void> => {
    const order = number++ % 2 === 0 ? nodes : [...nodes].reverse();
    const tries: SeenCall[] = [];
    for (const node of order) {
      const seen = await callOn(node);
      tries.push(seen);
      if (isTaken(seen)) break;
    }
    dialed.push(tries);
  };
  const timer = setInterval(() => {
    const one = place().finally(() => running.delete(one));
    running.add(one);
  }, 1000 / perSecond);
  return {
    dialed,
    placeOn: async (node) => {
      const seen = await callOn(node, { realtime: false });
      dialed.push([seen]);
      return seen;
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(running);
    },
  };
}

/** Whether the dialplan does not try the next node. */
export function isTaken({ agistatus, commands }: SeenCall): boolean {
  return agistatus !== 'FAILURE' && agistatus !== 'UNREACHABLE' && commands > 0;
}

export async function callOn(node: DrillNode, { campaign = 'c1', realtime = true } = {}): Promise<SeenCall> {
  const startedAt = performance.now();
  const to = { host: '127.0.0.1', port: node.agiPort, org: ORG, campaign };
  const result = await placeCall({ ...to, dialogue: true, realtime, timeoutMs: 10_000 });
  const commands = result.dialogue.filter(({ from }) => from === 'node').map(({ text }) => text);
  const prompts = commands.flatMap((text) => /^STREAM FILE "?([^" ]+)"?/.exec(text)?.[1] ?? []);
  if (result.call_id !== undefined) knownCalls.add(result.call_id);
  return { ...result, node: node.name, startedAt, endedAt: performance.now(), prompts };
}
