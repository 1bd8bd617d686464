import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/**
 * Keeps the young generation from growing beyond about this many MiB. V8 lets it double up to 128, which a burst of calls fills with garbage that stays
 * resident; a smaller one is collected more often at much the same cost (docs/benchmarks.md). Here and not as `--max-semi-space-size`, since the node
 * is started in many ways that give Node no flags. Returns what ends the watching.
 */
export function boundYoungGeneration(mostMiB: number): () => void {
  // A step is a doubling, and is taken as a collection ends; the one at which the bound is reached is the last.
  const observer = new PerformanceObserver(() => {
    if (youngGenerationMiB() < mostMiB) return;
    setFlagsFromString('--semi-space-growth-factor=1');
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}

function youngGenerationMiB(): number {
  const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  return (space?.space_size ?? 0) / 1024 / 1024;
}
