import type { Change } from '@voiceoi/contracts';
import type { Logger, OrgKey } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import { changesSince } from './change-messages.ts';

/** Tells listeners of an organization's new changes, in order, each at least once. */
export interface ChangeFeed {
  /** Looks for changes now: one was committed here. */
  wake(orgId: string): void;
  /** `from`: the revision that the listener has. Returns what ends the subscription. */
  subscribe(orgId: string, from: number, listener: (change: Change) => void): () => void;
  stop(): void;
}

/** Changes that other masters commit are seen after this long. */
const POLL_MS = 500;
const BATCH = 100;

interface Watched {
  readonly listeners: Set<(change: Change) => void>;
  revision: number;
  running: boolean;
  again: boolean;
}

export function changeFeed(database: Database, keyOf: (orgId: string) => Promise<OrgKey>, log: Logger): ChangeFeed {
  const organizations = new Map<string, Watched>();

  const readOn = async (orgId: string, watched: Watched): Promise<void> => {
    const key = await keyOf(orgId);
    for (;;) {
      const changes = await changesSince(database, orgId, watched.revision, BATCH, key);
      for (const change of changes) {
        watched.revision = change.to;
        for (const listener of watched.listeners) listener(change);
      }
      if (changes.length < BATCH) return;
    }
  };

  const look = async (orgId: string): Promise<void> => {
    const watched = organizations.get(orgId);
    if (!watched) return;
    if (watched.running) {
      watched.again = true;
      return;
    }
    watched.running = true;
    try {
      do {
        watched.again = false;
        await readOn(orgId, watched);
      } while (watched.again);
    } catch (error) {
      log.warn({ err: error, org: orgId }, 'changes cannot be read now');
    } finally {
      watched.running = false;
    }
  };

  const poll = setInterval(() => {
    for (const orgId of organizations.keys()) void look(orgId);
  }, POLL_MS);

  return {
    wake: (orgId) => void look(orgId),
    subscribe: (orgId, from, listener) => {
      const watched = organizations.get(orgId) ?? {
        listeners: new Set(),
        revision: from,
        running: false,
        again: false,
      };
      watched.revision = Math.min(watched.revision, from);
      organizations.set(orgId, watched);
      watched.listeners.add(listener);
      void look(orgId);
      return () => {
        watched.listeners.delete(listener);
        if (watched.listeners.size === 0 && organizations.get(orgId) === watched) organizations.delete(orgId);
      };
    },
    stop: () => {
      clearInterval(poll);
      organizations.clear();
    },
  };
}
