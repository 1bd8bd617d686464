import { type BundleStore, isEmpty, type StoredBundle } from './bundle-store.ts';

/** Bundles in memory: for a node without a disk, and for tests. Passes the same conformance suite as the disk. */
export function memoryStore(): BundleStore {
  const generations = new Map<string, readonly StoredBundle[]>();
  return {
    load: async (orgId) => structuredClone(generations.get(orgId) ?? []),
    save: async (orgId, bundle) => {
      const [newest] = generations.get(orgId) ?? [];
      if (newest && isEmpty(bundle)) return;
      generations.set(orgId, [structuredClone(bundle), ...(newest ? [newest] : [])]);
    },
  };
}
