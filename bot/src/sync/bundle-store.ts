/** Keeps the last good bundle of each organization over a restart of the node. */
export interface BundleStore {
  /** The newest bundle that is whole; undefined when there is none. Never rejects: what is damaged counts as not there. */
  load(orgId: string): Promise<unknown>;
  /** Keeps a bundle; the one before stays as the second generation. */
  save(orgId: string, bundle: StoredBundle): Promise<void>;
}

/** What is kept: a bundle as it came over the wire. */
export interface StoredBundle {
  readonly epoch: string;
  readonly revision: number;
  readonly sha256: string;
  readonly [field: string]: unknown;
}
