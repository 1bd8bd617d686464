import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds; they straddle 0.1, the target (contract.md, Metrics). */
export const LATENCY_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5,
];

/** Metrics of one process on a registry of its own. Asking twice for a name gives the same metric. */
export interface Metrics {
  readonly registry: Registry;
  histogram<L extends string>(name: string, help: string, labelNames: readonly L[]): Histogram<L>;
  counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L>;
  gauge<L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L>;
}

/** Starts with Node's own metrics and `voiceoi_build_info`. */
export function createMetrics({ mode, version }: { readonly mode: string; readonly version: string }): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const known = new Map<string, unknown>();
  const once = <T>(name: string, make: () => T): T => {
    const metric = (known.get(name) as T | undefined) ?? make();
    known.set(name, metric);
    return metric;
  };
  const options = <L extends string>(name: string, help: string, labelNames: readonly L[]) => ({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
  });
  const metrics: Metrics = {
    registry,
    histogram: (name, help, labelNames) =>
      once(name, () => new Histogram({ ...options(name, help, labelNames), buckets: [...LATENCY_BUCKETS] })),
    counter: (name, help, labelNames) => once(name, () => new Counter(options(name, help, labelNames))),
    gauge: (name, help, labelNames) => once(name, () => new Gauge(options(name, help, labelNames))),
  };
  metrics
    .gauge('voiceoi_build_info', 'Version and mode of this process', ['version', 'mode'])
    .set({ version, mode }, 1);
  return metrics;
}

/**
 * Bounds a label: the value itself for the first `max` distinct values, then `other`. A label must not grow with what
 * callers, scripts or configuration bring in.
 */
export function labelBound(max: number): (value: string) => string {
  const admitted = new Set<string>();
  return (value) => {
    if (admitted.has(value)) return value;
    if (admitted.size >= max) return 'other';
    admitted.add(value);
    return value;
  };
}
