import { randomBytes } from 'node:crypto';
import * as audit from '../audit/index.ts';
import { type Database, hasSqlState, UNIQUE_VIOLATION } from '../database/index.ts';
import { ProblemError } from '../http/index.ts';
import { hashPassword } from './passwords.ts';
import * as store from './store.ts';

/** Makes an administrator; the password is generated when none is given, and returned so that it can be shown once. */
export async function createAdministrator(
  database: Database,
  email: string,
  password: string | undefined,
): Promise<{ readonly email: string; readonly password: string }> {
  const chosen = password ?? randomBytes(15).toString('base64url');
  try {
    const password_hash = await hashPassword(chosen);
    await database.transaction(async (tx) => {
      const { id } = await store.insertUser(tx, { email, password_hash, superadmin: true });
      const after = { id, email, superadmin: true };
      await audit.record(tx, { orgId: audit.INSTANCE, action: 'user.create', target: `user/${id}`, after });
    });
  } catch (error) {
    if (hasSqlState(error, UNIQUE_VIOLATION))
      throw new ProblemError('ALREADY_EXISTS', `There is a user ${email} already`);
    throw error;
  }
  return { email, password: chosen };
}

/** Makes the first administrator where there is no user; undefined when there is one. */
export async function ensureAdministrator(
  database: Database,
  email: string,
  password: string | undefined,
): Promise<{ readonly email: string; readonly password: string } | undefined> {
  if (await store.hasUsers(database)) return undefined;
  try {
    return await createAdministrator(database, email, password);
  } catch (error) {
    // Another master that starts at the same moment was faster.
    if (error instanceof ProblemError && error.code === 'ALREADY_EXISTS') return undefined;
    throw error;
  }
}
