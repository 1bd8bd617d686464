/** Requests of each organization, by token buckets of this one process. */
export interface RateLimit {
  /** Takes one; undefined when there was one, else after how many seconds there will be. */
  take(orgId: string, perSecond: number): number | undefined;
}

interface Bucket {
  readonly tokens: number;
  readonly at: number;
}

/** Buckets that have filled up again are forgotten when there are more. */
const MOST_BUCKETS = 10_000;

/** A bucket holds one second's worth, so that a burst of that many goes through at once. */
export function rateLimit(now: () => number = () => performance.now()): RateLimit {
  const buckets = new Map<string, Bucket>();
  return {
    take: (orgId, perSecond) => {
      const at = now();
      if (buckets.size > MOST_BUCKETS)
        for (const [id, bucket] of buckets) if (at - bucket.at > 1000) buckets.delete(id);
      const { tokens, at: before } = buckets.get(orgId) ?? { tokens: perSecond, at };
      const filled = Math.min(perSecond, tokens + ((at - before) / 1000) * perSecond);
      buckets.set(orgId, { tokens: filled >= 1 ? filled - 1 : filled, at });
      return filled >= 1 ? undefined : Math.max(1, Math.ceil((1 - filled) / perSecond));
    },
  };
}
