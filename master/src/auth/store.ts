import { createHash } from 'node:crypto';
import { uuidv7 } from 'uuidv7';
import type { Queryable } from '../database/index.ts';

export interface UserRow {
  readonly id: string;
  readonly email: string;
  readonly password_hash: string;
  readonly superadmin: boolean;
}

const COLUMNS = 'id, email, password_hash, superadmin';

export async function findUserByEmail(db: Queryable, email: string): Promise<UserRow | undefined> {
  return (await db.query<UserRow>(`SELECT ${COLUMNS} FROM app_user WHERE lower(email) = lower($1)`, [email])).rows[0];
}

export async function findUser(db: Queryable, id: string): Promise<UserRow | undefined> {
  return (await db.query<UserRow>(`SELECT ${COLUMNS} FROM app_user WHERE id = $1`, [id])).rows[0];
}

/** A user whose session still stands: its access tokens end with it. */
export async function findUserOfSession(db: Queryable, id: string, family: string): Promise<UserRow | undefined> {
  const sql = `SELECT ${COLUMNS} FROM app_user WHERE id = $1
    AND EXISTS (SELECT 1 FROM refresh_token WHERE family = $2 AND user_id = app_user.id)`;
  return (await db.query<UserRow>(sql, [id, family])).rows[0];
}

export async function insertUser(db: Queryable, user: Omit<UserRow, 'id'>): Promise<UserRow> {
  const id = uuidv7();
  await db.query('INSERT INTO app_user (id, email, password_hash, superadmin) VALUES ($1, $2, $3, $4)', [
    id,
    user.email,
    user.password_hash,
    user.superadmin,
  ]);
  return { id, ...user };
}

export async function setPasswordHash(db: Queryable, userId: string, passwordHash: string): Promise<void> {
  await db.query('UPDATE app_user SET password_hash = $2, updated_at = now() WHERE id = $1', [userId, passwordHash]);
}

export async function hasUsers(db: Queryable): Promise<boolean> {
  return (await db.query('SELECT 1 FROM app_user LIMIT 1')).rows.length > 0;
}

/** Refresh tokens are kept as hashes: whoever reads the database cannot use them. */
function hashOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

export interface RefreshRow {
  readonly user_id: string;
  readonly family: string;
  readonly used: boolean;
  readonly expired: boolean;
}

export async function insertRefresh(
  db: Queryable,
  token: string,
  userId: string,
  family: string,
  days: number,
): Promise<void> {
  const sql = `INSERT INTO refresh_token (token_hash, user_id, family, expires_at) VALUES ($1, $2, $3, now() + make_interval(days => $4))`;
  await db.query(sql, [hashOf(token), userId, family, days]);
}

/** Takes a token for use: it is marked as used, and says whether it had been before. */
export async function useRefresh(db: Queryable, token: string): Promise<RefreshRow | undefined> {
  const sql = `SELECT user_id, family, used_at IS NOT NULL AS used, expires_at < now() AS expired FROM refresh_token WHERE token_hash = $1 FOR UPDATE`;
  const { rows } = await db.query<RefreshRow>(sql, [hashOf(token)]);
  await db.query('UPDATE refresh_token SET used_at = now() WHERE token_hash = $1 AND used_at IS NULL', [hashOf(token)]);
  return rows[0];
}

export async function deleteFamily(db: Queryable, family: string): Promise<void> {
  await db.query('DELETE FROM refresh_token WHERE family = $1', [family]);
}

export async function deleteSessions(db: Queryable, userId: string, exceptFamily?: string): Promise<void> {
  await db.query('DELETE FROM refresh_token WHERE user_id = $1 AND family IS DISTINCT FROM $2', [
    userId,
    exceptFamily ?? null,
  ]);
}
