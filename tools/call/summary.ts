import type { PeerResult } from './peer.ts';

/** Percentiles of a set of measurements, in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** What many calls came to. */
export interface Summary {
  readonly calls: number;
  readonly seconds: number;
  readonly calls_per_second: number;
  readonly agistatus: { readonly [status: string]: number };
  readonly outcome: { readonly [outcome: string]: number };
  readonly first_command_ms: Percentiles | undefined;
  readonly turn_ms: Percentiles | undefined;
}

/** Adds calls up; keeps measurements only, not dialogues. */
export class Tally {
  readonly #startedAt = performance.now();
  readonly #status = new Map<string, number>();
  readonly #outcome = new Map<string, number>();
  readonly #first: number[] = [];
  readonly #turns: number[] = [];
  calls = 0;

  add(result: PeerResult): void {
    this.calls++;
    count(this.#status, result.agistatus);
    count(this.#outcome, result.outcome ?? 'none');
    if (result.first_command_ms !== undefined) this.#first.push(result.first_command_ms);
    for (const turn of result.turns_ms) this.#turns.push(turn);
  }

  summary(): Summary {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    return {
      calls: this.calls,
      seconds: rounded(seconds),
      calls_per_second: rounded(this.calls / seconds),
      agistatus: Object.fromEntries(this.#status),
      outcome: Object.fromEntries(this.#outcome),
      first_command_ms: percentiles(this.#first),
      turn_ms: percentiles(this.#turns),
    };
  }
}

export function percentiles(values: readonly number[]): Percentiles | undefined {
  if (values.length === 0) return undefined;
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number =>
    rounded(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: rounded(sorted[sorted.length - 1] ?? 0) };
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
