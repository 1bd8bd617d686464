import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { NodeOrder } from '@voiceoi/contracts';
import type { Head } from './bundles.ts';
import type { ChangeFeed } from './feed.ts';
import { type FrameSource, frame } from './frames.ts';

/** Contract: a `ping` at least this often. */
const PING_MS = 15_000;
/** A reader that takes nothing for this long is cut off; it comes back and gets what it lacks. */
const SLOWEST_MS = 20_000;

/** What an open stream is made of. */
interface StreamOptions {
  readonly response: ServerResponse;
  readonly orgId: string;
  /** Of the key that opened it. */
  readonly generation: number;
  readonly frames: FrameSource;
  readonly feed: ChangeFeed;
  /** What the node has; undefined: nothing. */
  readonly position: Head | undefined;
  /** What nodes of the organization are ordered to do now. */
  readonly orders: () => Promise<readonly NodeOrder[]>;
}

/**
 * Sends an organization's changes and node orders as server-sent events until the node, its key or the master goes. At any moment a reader has one event in its
 * buffer at most: while it is slow nothing is made for it, and then it gets what it lacks by then.
 */
export async function serveStream(options: StreamOptions): Promise<void> {
  const { response, orgId, generation, frames, feed } = options;
  const signals = awaitedSignals();
  const isOpen = (): boolean => !response.destroyed && !response.writableEnded;
  const waiting = new Map<string, NodeOrder>();
  const order = (next: NodeOrder): void => {
    if (next.issued_at <= (waiting.get(next.node_id)?.issued_at ?? '')) return;
    waiting.set(next.node_id, next);
    signals.raise('order');
  };
  const wake = (): void => signals.raise('news');
  const unwatch = feed.watch(orgId, { generation, wake, order, end: () => response.end() });
  const pings = setInterval(() => signals.raise('ping'), PING_MS);
  response.once('close', () => signals.raise('closed'));

  let { position } = options;
  const sendNews = async (): Promise<void> => {
    const next = await frames.after(orgId, position);
    for (const buffer of next?.buffers ?? []) if (isOpen()) await writeDrained(response, buffer);
    position = next?.head ?? position;
  };
  const sendOrders = async (): Promise<void> => {
    for (const [nodeId, next] of waiting) {
      waiting.delete(nodeId);
      if (isOpen()) await writeDrained(response, frame('order', JSON.stringify(next)));
    }
  };
  signals.raise('ping');
  signals.raise('news');
  try {
    for (const current of await options.orders()) order(current);
    while (isOpen()) {
      if (signals.take('order')) await sendOrders();
      else if (signals.take('news')) await sendNews();
      else if (signals.take('ping')) await writeDrained(response, frame('ping', JSON.stringify(position)));
      else await signals.any();
    }
  } finally {
    clearInterval(pings);
    unwatch();
  }
}

interface Signals {
  raise(name: 'order' | 'news' | 'ping' | 'closed'): void;
  /** Whether it was raised since it was taken last. */
  take(name: 'order' | 'news' | 'ping'): boolean;
  /** Resolves when one is raised. */
  any(): Promise<void>;
}

function awaitedSignals(): Signals {
  const raised = new Set<string>();
  let resolveAny = (): void => {};
  return {
    raise: (name) => {
      raised.add(name);
      resolveAny();
    },
    take: (name) => raised.delete(name),
    any: () =>
      new Promise((resolve) => {
        resolveAny = resolve;
      }),
  };
}

/** Resolves once the reader may be sent more, or is gone. */
async function writeDrained(response: ServerResponse, buffer: Buffer): Promise<void> {
  if (response.write(buffer)) return;
  const tooSlow = setTimeout(() => response.destroy(), SLOWEST_MS);
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  response.once('close', onClose);
  await once(response, 'drain', { signal: gone.signal }).catch(() => {});
  clearTimeout(tooSlow);
  response.off('close', onClose);
}
