import { type Logger, type OrgKey, sealSecret } from '@voiceoi/kernel';
import type { Queryable } from '../database/index.ts';
import type { SecretSource, SecretVersion } from '../sync/index.ts';
import type { AtRest } from './at-rest.ts';

interface SourceOptions {
  readonly rest: AtRest;
  /** Keys that are good, as the transaction sees them. */
  readonly goodKeys: (orgId: string, db: Queryable) => Promise<readonly OrgKey[]>;
  readonly log: Logger;
}

interface SealedRow extends SecretVersion {
  readonly sealed: Uint8Array;
}

const ORDER = 'WHERE org_id = $1 AND sealed IS NOT NULL ORDER BY name COLLATE "C"';

/** Secrets on their way to the nodes: opened and sealed anew in one step, for each key that is good. */
export function secretSource({ rest, goodKeys, log }: SourceOptions): SecretSource {
  return {
    versions: async (db, orgId) =>
      (await db.query<SecretVersion>(`SELECT name, version FROM secret ${ORDER}`, [orgId])).rows,
    entries: async (db, orgId) => {
      const { rows } = await db.query<SealedRow>(`SELECT name, version, sealed FROM secret ${ORDER}`, [orgId]);
      if (rows.length === 0) return [];
      const keys = await goodKeys(orgId, db);
      return rows.map(({ name, version, sealed }) => {
        const identity = { orgId, name, version };
        const value = rest.open(identity, sealed);
        if (value === undefined) {
          // Left without a seal: an organization's other configuration must not wait for it.
          log.error({ org: orgId, secret: name }, 'a secret cannot be opened: was SYNC_SECRET_SALT changed?');
          return { name, version, sealed: {} };
        }
        const each = keys.map((key) => [String(key.generation), sealSecret(key, identity, value)] as const);
        return { name, version, sealed: Object.fromEntries(each) };
      });
    },
  };
}
