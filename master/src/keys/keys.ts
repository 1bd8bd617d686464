import { deriveOrgKey, type OrgKey, parseOrgKey, sameSecret } from '@voiceoi/kernel';
import type { Database, Queryable } from '../database/index.ts';
import { notFound, type Principal } from '../http/index.ts';

/** Organization keys: derived from the salt, so only their generations are stored. */
export interface OrgKeys {
  /** A node's principal for a key that is good now. */
  authenticate(key: string): Promise<Principal | undefined>;
  /** The newest good key: it signs. @throws ProblemError when there is none */
  signing(orgId: string): Promise<OrgKey>;
  /** All that are good now, the newest first; as a transaction sees it where one is given. */
  good(orgId: string, db?: Queryable): Promise<readonly OrgKey[]>;
  /** The same as text, as nodes are given them. */
  texts(orgId: string): Promise<readonly string[]>;
}

/** What makes a row of `organization_key` a key that works. */
export const GOOD = 'revoked_at IS NULL AND (not_after IS NULL OR not_after > now())';
/** A key's use is written down at most this often. */
const USED_EVERY_MS = 60_000;

export function orgKeys(database: Database, salt: string): OrgKeys {
  const usedAt = new Map<string, number>();
  const good = async (orgId: string, db: Queryable = database): Promise<readonly string[]> => {
    const { rows } = await db.query<{ generation: number }>(
      `SELECT generation FROM organization_key WHERE org_id = $1 AND ${GOOD} ORDER BY generation DESC`,
      [orgId],
    );
    return rows.map(({ generation }) => deriveOrgKey(salt, orgId, generation));
  };
  const newest = async (orgId: string): Promise<string> => {
    const [text] = await good(orgId);
    if (text === undefined) throw notFound(`good key of organization "${orgId}"`);
    return text;
  };
  return {
    authenticate: async (text) => {
      const parsed = parseOrgKey(text);
      if (!parsed || !sameSecret(text, deriveOrgKey(salt, parsed.orgId, parsed.generation))) return undefined;
      const { orgId, generation } = parsed;
      const { rows } = await database.query(
        `SELECT 1 FROM organization_key WHERE org_id = $1 AND generation = $2 AND ${GOOD}`,
        [orgId, generation],
      );
      if (rows.length === 0) return undefined;
      await noteUse(database, usedAt, orgId, generation);
      return { kind: 'node', orgId, generation };
    },
    good: async (orgId, db) => (await good(orgId, db)).flatMap((text) => parseOrgKey(text) ?? []),
    texts: (orgId) => good(orgId),
    signing: async (orgId) => {
      const parsed = parseOrgKey(await newest(orgId));
      if (!parsed) throw notFound(`good key of organization "${orgId}"`);
      return parsed;
    },
  };
}

async function noteUse(
  database: Database,
  usedAt: Map<string, number>,
  orgId: string,
  generation: number,
): Promise<void> {
  const name = `${orgId}/${generation}`;
  if (Date.now() - (usedAt.get(name) ?? 0) < USED_EVERY_MS) return;
  usedAt.set(name, Date.now());
  await database.query('UPDATE organization_key SET last_used_at = now() WHERE org_id = $1 AND generation = $2', [
    orgId,
    generation,
  ]);
}

const FIRST = `INSERT INTO organization_key (org_id, generation)
VALUES ($1, 1 + coalesce((SELECT generation FROM organization_past WHERE id = $1), 0))`;

/** The first key of a new organization: generation 1, unless there was one of the same name, whose keys are good no more. */
export async function insertFirstKey(tx: Queryable, orgId: string): Promise<void> {
  await tx.query(FIRST, [orgId]);
}
