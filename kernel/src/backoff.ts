interface BackoffOptions {
  /** First wait, before jitter; 1,000 by default. */
  readonly initialMs?: number;
  /** Longest wait, before jitter; 30,000 by default. */
  readonly maxMs?: number;
  /** A number from 0 up to 1, so that tests can choose. */
  readonly random: () => number;
}

/** Waits between tries: each twice the last up to a bound, of which 50 to 100 % are taken, so that a fleet spreads out. */
export interface Backoff {
  /** Milliseconds to wait now. */
  next(): number;
  /** Starts over, after a time of health. */
  reset(): void;
}

export function backoff({ initialMs = 1_000, maxMs = 30_000, random }: BackoffOptions): Backoff {
  let base = initialMs;
  return {
    next: () => {
      const wait = Math.round(base * (0.5 + random() / 2));
      base = Math.min(base * 2, maxMs);
      return wait;
    },
    reset: () => {
      base = initialMs;
    },
  };
}
