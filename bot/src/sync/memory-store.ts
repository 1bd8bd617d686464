import type { BundleStore, StoredBundle } from './bundle-store.ts';

/** Bundles in memory: for a node without a disk, and for tests. Passes the same conformance suite as the disk. */
export function memoryStore(): BundleStore {
  const bundles = new Map<string, StoredBundle>();
  return {
    load: async (orgId) => bundles.get(orgId),
    save: async (orgId, bundle) => {
      bundles.set(orgId, structuredClone(bundle));
    },
  };
}
