import { randomBytes } from 'node:crypto';
import { hasSqlState, type Queryable, UNIQUE_VIOLATION } from '../database/index.ts';
import { ProblemError } from '../http/index.ts';
import { hashPassword } from './passwords.ts';
import * as store from './store.ts';

/** Makes an administrator; the password is generated when none is given, and returned so that it can be shown once. */
export async function createAdministrator(
  db: Queryable,
  email: string,
  password: string | undefined,
): Promise<{ readonly email: string; readonly password: string }> {
  const chosen = password ?? randomBytes(15).toString('base64url');
  try {
    await store.insertUser(db, { email, password_hash: await hashPassword(chosen), superadmin: true });
  } catch (error) {
    if (hasSqlState(error, UNIQUE_VIOLATION))
      throw new ProblemError('ALREADY_EXISTS', `There is a user ${email} already`);
    throw error;
  }
  return { email, password: chosen };
}

/** Makes the first administrator where there is no user; undefined when there is one. */
export async function ensureAdministrator(
  db: Queryable,
  email: string,
  password: string | undefined,
): Promise<{ readonly email: string; readonly password: string } | undefined> {
  if (await store.hasUsers(db)) return undefined;
  try {
    return await createAdministrator(db, email, password);
  } catch (error) {
    // Another master that starts at the same moment was faster.
    if (error instanceof ProblemError && error.code === 'ALREADY_EXISTS') return undefined;
    throw error;
  }
}
