import { backoff, pause } from '@voiceoi/kernel';
import type { ConfigSource, Position } from './config-source.ts';
import type { Asked } from './fetcher.ts';

/** How often the master is asked. */
export interface Rhythm {
  /** While changes come by the bus: anti-entropy. Give or take 20 %. */
  readonly pollMs: number;
  /** While they do not. */
  readonly pollWithoutBusMs: number;
  /** How often the head of the bus is looked at: a message that was lost is noticed within this time. */
  readonly lookMs: number;
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
  pollWithoutBusMs: 15_000,
  lookMs: 15_000,
  retryMs: 1000,
  healthyMs: 60_000,
  calmMs: 5000,
  random: Math.random,
};

/** Where changes come from now. */
export class Feeds {
  #hasRedis = false;
  #isRedisUp = false;
  readonly #onChange = new Set<() => void>();
  isStreamUp = false;

  /** Whether what is committed comes by itself, from the bus that the bundle names. */
  get isLive(): boolean {
    return this.#hasRedis ? this.#isRedisUp : this.isStreamUp;
  }

  get isRedisUp(): boolean {
    return this.#isRedisUp;
  }

  /** Undefined: the bundle names no Redis. */
  setRedis(isUp: boolean | undefined): void {
    this.#hasRedis = isUp !== undefined;
    this.#isRedisUp = isUp === true;
    for (const listener of this.#onChange) listener();
  }

  /** Resolves once Redis has come or gone, or `signal` is aborted. */
  redisChanged(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      // A node without Redis opens streams for years: nothing of one that has ended may stay.
      const done = (): void => {
        this.#onChange.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#onChange.add(done);
      signal.addEventListener('abort', done);
    });
  }
}

interface FollowOptions {
  readonly feeds: Feeds;
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

/**
 * Follows the master by its stream while Redis is not there, and looks whether all is there now and then. Resolves once `signal` is aborted. Never
 * rejects.
 */
export async function follow(options: FollowOptions): Promise<void> {
  // The first look comes before the stream, so that a new node does not get everything twice.
  await options.look('check');
  await Promise.all([pollLoop(options), streamLoop(options)]);
}

async function pollLoop({ feeds, rhythm, signal, look, isHealthy }: FollowOptions): Promise<void> {
  const waits = backoff({ initialMs: rhythm.retryMs, random: rhythm.random });
  while (!signal.aborted) {
    const every = feeds.isLive ? rhythm.pollMs : rhythm.pollWithoutBusMs;
    const calm = every * (0.8 + rhythm.random() * 0.4);
    if (isHealthy()) waits.reset();
    await pause(isHealthy() ? calm : Math.min(calm, waits.next()), signal);
    if (!signal.aborted) await look('check');
  }
}

async function streamLoop(options: FollowOptions): Promise<void> {
  const { feeds, rhythm, signal } = options;
  const waits = backoff({ initialMs: rhythm.retryMs, random: rhythm.random });
  while (!signal.aborted) {
    if (feeds.isRedisUp) {
      await feeds.redisChanged(signal);
      continue;
    }
    const openedAt = performance.now();
    await readOnce(options);
    feeds.isStreamUp = false;
    if (performance.now() - openedAt > rhythm.healthyMs) waits.reset();
    if (!feeds.isRedisUp) await pause(waits.next(), signal);
  }
}

/**
 * Reads one stream until it ends, or Redis is there. The poll tells of a master that is away; a stream that ends by itself is no news.
 */
async function readOnce({ feeds, source, signal, position, onEvent }: FollowOptions): Promise<void> {
  const at = position();
  const since = at && { epoch: at.epoch, revision: at.revision };
  const ending = new AbortController();
  const end = (): void => ending.abort();
  signal.addEventListener('abort', end, { once: true });
  void feeds.redisChanged(ending.signal).then(() => feeds.isRedisUp && end());
  try {
    for await (const { event, data } of source.stream(since, ending.signal)) {
      feeds.isStreamUp = true;
      onEvent(event, parseJson(data));
    }
  } catch {
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
