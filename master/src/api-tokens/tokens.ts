import { createHash, randomBytes } from 'node:crypto';
import type { ApiToken, Role } from '@voiceoi/contracts';
import { uuidv7 } from 'uuidv7';
import type { Database, Queryable } from '../database/index.ts';
import { notFound, type Principal } from '../http/index.ts';

/** Tokens for machines. */
export interface ApiTokens {
  /** The principal of a token that is good now. */
  authenticate(token: string): Promise<Principal | undefined>;
}

interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly created_at: Date;
  readonly created_by: string;
  readonly expires_at: Date | null;
  readonly last_used_at: Date | null;
}

/** What a new token is to be. */
interface NewToken {
  readonly orgId: string;
  readonly name: string;
  readonly role: Role;
  readonly expiresAt: string | undefined;
  readonly createdBy: string;
}

const PREFIX = 'vot_';
const FORM = /^vot_[A-Za-z0-9_-]{43}$/;
const COLUMNS = 'id, name, role, created_at, created_by, expires_at, last_used_at';
/** A token's use is written down at most this often. */
const USED_EVERY_MS = 60_000;

/** Whether a Bearer token is one of these, and not somebody's access token. */
export function isApiToken(bearer: string): boolean {
  return bearer.startsWith(PREFIX);
}

// Found by its digest: how long that takes says nothing of the token.
const FIND = `SELECT id, org_id, name, role, last_used_at FROM api_token
WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > now())`;

export function apiTokens(database: Database): ApiTokens {
  return {
    authenticate: async (token) => {
      if (!FORM.test(token)) return undefined;
      const { rows } = await database.query<TokenRow & { readonly org_id: string }>(FIND, [hashOf(token)]);
      const [row] = rows;
      if (!row) return undefined;
      const { id, name, role, org_id: orgId, last_used_at: usedAt } = row;
      if (usedAt === null || Date.now() - usedAt.getTime() >= USED_EVERY_MS)
        await database.query('UPDATE api_token SET last_used_at = now() WHERE id = $1', [id]);
      return { kind: 'token', id, orgId, role, name };
    },
  };
}

/** 256 random bits: too many to be guessed, so a plain digest is enough to keep. */
function hashOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

/** Makes a token; it is in this answer alone. */
export async function insertToken(db: Queryable, made: NewToken): Promise<ApiToken & { readonly token: string }> {
  const token = PREFIX + randomBytes(32).toString('base64url');
  const { orgId, name, role, expiresAt, createdBy } = made;
  const sql = `INSERT INTO api_token (id, org_id, name, role, token_hash, expires_at, created_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`;
  const values = [uuidv7(), orgId, name, role, hashOf(token), expiresAt ?? null, createdBy];
  const [row] = (await db.query<TokenRow>(sql, values)).rows;
  if (!row) throw new Error('an inserted token was not returned');
  return { ...tokenItem(row), token };
}

/** The newest first. */
export async function listTokens(
  db: Queryable,
  orgId: string,
  before: string | undefined,
  limit: number,
): Promise<readonly ApiToken[]> {
  const sql = `SELECT ${COLUMNS} FROM api_token
    WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2::uuid) ORDER BY id DESC LIMIT $3`;
  return (await db.query<TokenRow>(sql, [orgId, before ?? null, limit])).rows.map(tokenItem);
}

/** @throws ProblemError when it is not there */
export async function deleteToken(db: Queryable, orgId: string, id: string): Promise<void> {
  const { rowCount } = await db.query('DELETE FROM api_token WHERE org_id = $1 AND id = $2', [orgId, id]);
  if (rowCount === 0) throw notFound(`API token ${id}`);
}

function tokenItem({ id, name, role, created_at, created_by, expires_at, last_used_at }: TokenRow): ApiToken {
  return {
    id,
    name,
    role,
    created_at: created_at.toISOString(),
    created_by,
    ...(expires_at && { expires_at: expires_at.toISOString() }),
    ...(last_used_at && { last_used_at: last_used_at.toISOString() }),
  };
}
