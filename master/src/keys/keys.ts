import { OrgKeyItem, OrgParams } from '@voiceoi/contracts';
import { deriveOrgKey, type OrgKey, parseOrgKey, sameSecret } from '@voiceoi/kernel';
import Type from 'typebox';
import type { Database, Queryable } from '../database/index.ts';
import {
  type App,
  type Feature,
  ListQuery,
  mayDo,
  notFound,
  Page,
  type Principal,
  pageOf,
  pageRequest,
  route,
} from '../http/index.ts';

interface KeyRow {
  readonly generation: number;
  readonly created_at: Date;
  readonly not_after: Date | null;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
}

/** Organization keys: derived from the salt, so only their generations are stored. */
export interface OrgKeys {
  /** A node's principal for a key that is good now. */
  authenticate(key: string): Promise<Principal | undefined>;
  /** The newest good key: it signs. @throws ProblemError when there is none */
  signing(orgId: string): Promise<OrgKey>;
  /** All that are good now, the newest first. */
  good(orgId: string): Promise<readonly OrgKey[]>;
  /** That key as text, for a node's `SYNC_SECRET_KEY`. */
  text(orgId: string): Promise<string>;
}

const GOOD = 'revoked_at IS NULL AND (not_after IS NULL OR not_after > now())';
/** A key's use is written down at most this often. */
const USED_EVERY_MS = 60_000;

export function orgKeys(database: Database, salt: string): OrgKeys {
  const usedAt = new Map<string, number>();
  const good = async (orgId: string): Promise<readonly string[]> => {
    const { rows } = await database.query<{ generation: number }>(
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
    good: async (orgId) => (await good(orgId)).flatMap((text) => parseOrgKey(text) ?? []),
    text: newest,
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

const LIST = `SELECT generation, created_at, not_after, revoked_at, last_used_at FROM organization_key
WHERE org_id = $1 AND generation < $2 ORDER BY generation DESC LIMIT $3`;

/** Shows an organization's keys. */
export function keyRoutes(database: Database, salt: string): Feature {
  return (app: App) => {
    app.get(
      '/api/orgs/:org_id/keys',
      route({
        id: 'listKeys',
        tag: 'organizations',
        summary: 'Keys of an organization, newest first',
        description: 'The keys themselves are for admins; others see which there are.',
        access: 'key.list',
        params: OrgParams,
        query: Type.Object(ListQuery, { additionalProperties: false }),
        answers: { 200: Page(OrgKeyItem) },
      }),
      async (request, reply) => {
        const { org_id: orgId } = request.params;
        await mustExist(database, orgId);
        const page = pageRequest(request.query, 1);
        const before = page.after === undefined ? 2_147_483_647 : Number(page.after[0]);
        const { rows } = await database.query<KeyRow>(LIST, [
          orgId,
          Number.isSafeInteger(before) ? before : 0,
          page.limit + 1,
        ]);
        reply.header('cache-control', 'no-store');
        const isShown = mayDo(request, 'key.show');
        return pageOf(
          rows,
          page,
          (row) => keyItem(row, isShown ? deriveOrgKey(salt, orgId, row.generation) : undefined),
          (row) => [String(row.generation)],
        );
      },
    );
  };
}

/** @throws ProblemError when the organization is not there */
export async function mustExist(db: Queryable, orgId: string): Promise<void> {
  const { rows } = await db.query('SELECT 1 FROM organization WHERE id = $1', [orgId]);
  if (rows.length === 0) throw notFound(`organization "${orgId}"`);
}

function keyItem({ generation, created_at, not_after, revoked_at, last_used_at }: KeyRow, key: string | undefined) {
  return {
    generation,
    ...(key !== undefined && { key }),
    created_at: created_at.toISOString(),
    ...(not_after && { not_after: not_after.toISOString() }),
    ...(revoked_at && { revoked_at: revoked_at.toISOString() }),
    ...(last_used_at && { last_used_at: last_used_at.toISOString() }),
  };
}
