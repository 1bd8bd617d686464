/** Failed sign-ins per account and per address within the window. */
const WINDOW_MS = 15 * 60 * 1000;
const MOST_KEYS = 10_000;

/** Counts failures in memory: each master for itself, which only makes it more patient. */
export interface FailureLimiter {
  /** Seconds until the next try is allowed; 0 when it is now. */
  wait(key: string): number;
  fail(key: string): void;
  succeed(key: string): void;
}

export function failureLimiter(allowed: number, now: () => number): FailureLimiter {
  const failures = new Map<string, number[]>();
  const recent = (key: string): number[] => (failures.get(key) ?? []).filter((at) => at > now() - WINDOW_MS);
  return {
    wait: (key) => {
      const times = recent(key);
      const oldest = times.at(-allowed);
      return oldest === undefined ? 0 : Math.max(1, Math.ceil((oldest + WINDOW_MS - now()) / 1000));
    },
    fail: (key) => {
      if (failures.size >= MOST_KEYS) failures.delete(failures.keys().next().value ?? '');
      failures.set(key, [...recent(key), now()].slice(-allowed));
    },
    succeed: (key) => void failures.delete(key),
  };
}
