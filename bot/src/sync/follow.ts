import { backoff, pause } from '@voiceoi/kernel';
import type { ConfigSource, Position } from './config-source.ts';
import type { Asked } from './fetcher.ts';

/** How often the master is asked. */
export interface Rhythm {
  /** While the stream is up: anti-entropy. Give or take 20 %. */
  readonly pollMs: number;
  /** While it is not. */
  readonly pollWithoutStreamMs: number;
  /** First wait between tries, which doubles up to 30 s. */
  readonly retryMs: number;
  /** Health after which waits between tries start over. */
  readonly healthyMs: number;
  /** Least time between questions that are not urgent. */
  readonly calmMs: number;
  /** From 0 up to 1. */
  readonly random: () => number;
}

export const RHYTHM: Rhythm = {
  pollMs: 60_000,
  pollWithoutStreamMs: 15_000,
  retryMs: 1000,
  healthyMs: 60_000,
  calmMs: 5000,
  random: Math.random,
};

interface FollowOptions {
  readonly source: ConfigSource;
  readonly rhythm: Rhythm;
  readonly signal: AbortSignal;
  readonly position: () => Position | undefined;
  /** Asks the master; never rejects. */
  readonly look: (asked: Asked) => Promise<void>;
  /** Whether the last question went well. */
  readonly isHealthy: () => boolean;
  readonly onEvent: (event: string, value: unknown) => void;
}

/** Follows the master by its stream, and looks whether all is there now and then. Resolves once `signal` is aborted. Never rejects. */
export async function follow(options: FollowOptions): Promise<void> {
  const stream = { isUp: false };
  // The first look comes before the stream, so that a new node does not get everything twice.
  await options.look('check');
  await Promise.all([pollLoop(options, stream), streamLoop(options, stream)]);
}

async function pollLoop({ rhythm, signal, look, isHealthy }: FollowOptions, stream: { isUp: boolean }): Promise<void> {
  const waits = backoff({ initialMs: rhythm.retryMs, random: rhythm.random });
  while (!signal.aborted) {
    const every = stream.isUp ? rhythm.pollMs : rhythm.pollWithoutStreamMs;
    const calm = every * (0.8 + rhythm.random() * 0.4);
    if (isHealthy()) waits.reset();
    await pause(isHealthy() ? calm : Math.min(calm, waits.next()), signal);
    if (!signal.aborted) await look('check');
  }
}

async function streamLoop(options: FollowOptions, stream: { isUp: boolean }): Promise<void> {
  const { rhythm, signal } = options;
  const waits = backoff({ initialMs: rhythm.retryMs, random: rhythm.random });
  while (!signal.aborted) {
    const openedAt = performance.now();
    await readOnce(options, stream);
    stream.isUp = false;
    if (performance.now() - openedAt > rhythm.healthyMs) waits.reset();
    await pause(waits.next(), signal);
  }
}

/** Reads one stream until it ends. The poll tells of a master that is away; a stream that ends by itself is no news. */
async function readOnce(
  { source, signal, position, onEvent }: FollowOptions,
  stream: { isUp: boolean },
): Promise<void> {
  const at = position();
  const since = at && { epoch: at.epoch, revision: at.revision };
  try {
    for await (const { event, data } of source.stream(since, signal)) {
      stream.isUp = true;
      onEvent(event, parseJson(data));
    }
  } catch {}
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
