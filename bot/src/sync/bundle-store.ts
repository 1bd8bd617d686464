import type { Fallback } from './playable.ts';
import type { WireContent, WireSecret } from './wire.ts';

/** Keeps the last good bundle of each organization over a restart of the node. */
export interface BundleStore {
  /** What is whole, newest first; empty when there is nothing. Never rejects: what is damaged counts as not there. */
  load(orgId: string): Promise<readonly unknown[]>;
  /**
   * Keeps a bundle; the one before stays as the second generation. A bundle without campaigns and scripts replaces nothing: losing everything to a
   * mistake would outlast the mistake. Saves of one organization have to be made one after the other.
   */
  save(orgId: string, bundle: StoredBundle): Promise<void>;
}

/** What is kept: a bundle as it came over the wire, with the script versions that campaigns fell back to. */
export interface StoredBundle extends WireContent {
  readonly schema: 1;
  readonly sha256: string;
  readonly secrets: readonly WireSecret[];
  readonly bus: unknown;
  readonly fallbacks: readonly Fallback[];
}

export function isEmpty({ campaigns, scripts }: StoredBundle): boolean {
  return campaigns.length === 0 && scripts.length === 0;
}
