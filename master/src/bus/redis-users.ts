import type { Redis } from '@voiceoi/kernel';
import { accessRules, shownPassword } from './access.ts';
import { orgOf, userOf } from './names.ts';

/** Users of one server: they are neither replicated nor shared within a cluster. Everything rejects while it is away. */
export interface RedisUsers {
  /** Which of the servers it is. */
  readonly name: string;
  /** Organizations that have a user there. */
  organizations(): Promise<ReadonlySet<string>>;
  /** Makes or changes an organization's user; ends its connections when a password was taken away, and they come back if they may. */
  grant(orgId: string, passwords: readonly string[]): Promise<void>;
  remove(orgId: string): Promise<void>;
}

export function redisServer(server: Redis): RedisUsers {
  const { host, port, username } = server.options;
  /** An organization may be called so as to have the name of the user that we are: then its nodes follow the stream. */
  const isOurs = (orgId: string): boolean => userOf(orgId) === username;
  return {
    name: `${host}:${port}`,
    organizations: async () => new Set((await server.acl('USERS')).flatMap((user) => orgOf(user) ?? [])),
    grant: async (orgId, passwords) => {
      if (isOurs(orgId)) throw new Error(`organization "${orgId}" cannot have the master’s own Redis user`);
      const before = await passwordsOn(server, orgId);
      await server.acl('SETUSER', userOf(orgId), ...accessRules(orgId, passwords));
      const now = new Set(passwords.map(shownPassword));
      if (before.some((one) => !now.has(one))) await server.client('KILL', 'USER', userOf(orgId));
    },
    remove: async (orgId) => {
      if (!isOurs(orgId)) await server.acl('DELUSER', userOf(orgId));
    },
  };
}

/** As Redis shows them: a key may have been revoked while no master was there to end its connections. */
async function passwordsOn(server: Redis, orgId: string): Promise<readonly string[]> {
  const fields: unknown = await server.acl('GETUSER', userOf(orgId));
  const passwords: unknown = Array.isArray(fields) ? fields[fields.indexOf('passwords') + 1] : [];
  return Array.isArray(passwords) ? passwords.map(String) : [];
}
