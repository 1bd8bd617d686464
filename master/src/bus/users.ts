import type { OrgKey } from '@voiceoi/kernel';
import { passwordsOf } from './access.ts';
import type { RedisBus } from './redis-bus.ts';
import type { RedisUsers } from './redis-users.ts';

/** Organizations' users on every server of Redis. */
export interface Users {
  /** Sees which users servers have, since one may have been started anew; whose user we have made or seen. */
  look(): Promise<ReadonlySet<string>>;
  /** Makes the user on servers that do not have it with these good generations. @throws when a server that answers refuses, or none does */
  grant(orgId: string, generations: string): Promise<void>;
  forget(orgId: string): Promise<void>;
  /** Whether the user was made by us. */
  has(orgId: string): boolean;
  /** Nothing is known of any server any more. */
  reset(): void;
}

export function createUsers(bus: RedisBus, goodKeys: (orgId: string) => Promise<readonly OrgKey[]>): Users {
  /** Good generations of each organization's user, by server, as it was told last. */
  const told = new Map<string, Map<string, string>>();
  /** Servers that did not answer when they were looked at last; they are looked at again. */
  const away = new Set<string>();
  const made = new Set<string>();

  const toldTo = (server: RedisUsers): Map<string, string> => {
    const known = told.get(server.name) ?? new Map<string, string>();
    told.set(server.name, known);
    return known;
  };
  const lookAt = async (server: RedisUsers): Promise<ReadonlySet<string>> => {
    try {
      const there = await server.organizations();
      away.delete(server.name);
      const known = toldTo(server);
      for (const orgId of known.keys()) if (!there.has(orgId)) known.delete(orgId);
      return there;
    } catch {
      away.add(server.name);
      return new Set();
    }
  };

  return {
    look: async () => {
      const servers = bus.servers();
      const names = new Set(servers.map(({ name }) => name));
      for (const known of [told, away]) for (const name of known.keys()) if (!names.has(name)) known.delete(name);
      const there = await Promise.all(servers.map(lookAt));
      return new Set([...made, ...there.flatMap((some) => [...some])]);
    },
    grant: async (orgId, generations) => {
      const servers = bus.servers().filter(({ name }) => !away.has(name));
      const lacking = servers.filter((server) => toldTo(server).get(orgId) !== generations);
      if (lacking.length === 0) return;
      const passwords = passwordsOf(await goodKeys(orgId));
      const tell = async (server: RedisUsers): Promise<void> => {
        await server.grant(orgId, passwords);
        toldTo(server).set(orgId, generations);
      };
      made.add(orgId);
      const failed = (await Promise.allSettled(lacking.map(tell))).find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    },
    forget: async (orgId) => {
      for (const known of told.values()) known.delete(orgId);
      await Promise.all(bus.servers().map((server) => away.has(server.name) || server.remove(orgId)));
      made.delete(orgId);
    },
    has: (orgId) => made.has(orgId),
    reset: () => {
      told.clear();
      away.clear();
    },
  };
}
