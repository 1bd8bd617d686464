import { randomBytes } from 'node:crypto';
import type { LoginAnswer, User } from '@voiceoi/contracts';
import { uuidv7 } from 'uuidv7';
import { type Database, hasSqlState, type Queryable, UNIQUE_VIOLATION } from '../database/index.ts';
import { type Principal, ProblemError, validationFailed } from '../http/index.ts';
import { ACCESS_SECONDS, type AccessTokens } from './access-token.ts';
import { failureLimiter } from './limiter.ts';
import { hashPassword, verifyPassword } from './passwords.ts';
import * as store from './store.ts';

/** Days that a session lasts without being used. */
export const REFRESH_DAYS = 30;

/** What signing in gives: the answer, and the token that goes into the cookie. */
export interface Session {
  readonly answer: LoginAnswer;
  readonly refreshToken: string;
}

/** Sign-in and sessions. */
export interface AuthService {
  login(email: string, password: string, address: string): Promise<Session>;
  refresh(refreshToken: string): Promise<Session>;
  logout(refreshToken: string | undefined, everywhere: boolean): Promise<void>;
  changePassword(userId: string, current: string, next: string, refreshToken: string | undefined): Promise<void>;
  user(userId: string): Promise<User>;
  authenticate(accessToken: string): Promise<Principal | undefined>;
}

export function authService(database: Database, tokens: AccessTokens): AuthService {
  const accounts = failureLimiter(5, Date.now);
  const addresses = failureLimiter(20, Date.now);
  // Unknown users cost the same time as known ones: their password is checked against this.
  const nobody = hashPassword(randomBytes(16).toString('hex'));

  const startSession = async (db: Queryable, user: store.UserRow, family: string): Promise<Session> => {
    const refreshToken = randomBytes(32).toString('base64url');
    await store.insertRefresh(db, refreshToken, user.id, family, REFRESH_DAYS);
    const access_token = await tokens.issue(user.id);
    return {
      refreshToken,
      answer: { access_token, token_type: 'Bearer', expires_in: ACCESS_SECONDS, user: publicUser(user) },
    };
  };

  return {
    login: async (email, password, address) => {
      const account = email.toLowerCase();
      const check = (): void => checkFailures(Math.max(accounts.wait(account), addresses.wait(address)));
      check();
      const user = await store.findUserByEmail(database, email);
      const fits = await verifyPassword(password, user?.password_hash ?? (await nobody));
      if (!user || !fits) {
        accounts.fail(account);
        addresses.fail(address);
        throw new ProblemError('BAD_CREDENTIALS', 'E-mail or password is wrong');
      }
      // Guesses that were sent at the same time have failed meanwhile: the right one among them must not get through.
      check();
      accounts.succeed(account);
      return startSession(database, user, uuidv7());
    },
    refresh: (refreshToken) => rotate(database, refreshToken, startSession),
    logout: async (refreshToken, everywhere) => {
      const row =
        refreshToken === undefined ? undefined : await database.transaction((tx) => store.useRefresh(tx, refreshToken));
      if (!row) return;
      if (everywhere) await store.deleteSessions(database, row.user_id);
      else await store.deleteFamily(database, row.family);
    },
    changePassword: async (userId, current, next, refreshToken) => {
      const user = await store.findUser(database, userId);
      if (!user || !(await verifyPassword(current, user.password_hash)))
        throw validationFailed([{ path: '/current_password', message: 'is wrong' }]);
      const passwordHash = await hashPassword(next);
      await database.transaction(async (tx) => {
        await store.setPasswordHash(tx, userId, passwordHash);
        await store.deleteSessions(
          tx,
          userId,
          refreshToken === undefined ? undefined : await store.familyOf(tx, refreshToken),
        );
      });
    },
    user: async (userId) => {
      const user = await store.findUser(database, userId);
      if (!user) throw new ProblemError('UNAUTHENTICATED', 'This account is gone');
      return publicUser(user);
    },
    authenticate: async (accessToken) => {
      const userId = await tokens.verify(accessToken);
      const user = userId === undefined ? undefined : await store.findUser(database, userId);
      return user && { kind: 'user', ...publicUser(user) };
    },
  };
}

function checkFailures(wait: number): void {
  if (wait === 0) return;
  throw new ProblemError('TOO_MANY_REQUESTS', `Too many failed sign-ins: try again in ${wait} seconds`, {
    headers: { 'retry-after': String(wait) },
  });
}

/** A refresh token is good for one use. One that is used again was stolen, or its thief was faster: the whole family ends. */
async function rotate(
  database: Database,
  refreshToken: string,
  startSession: (db: Queryable, user: store.UserRow, family: string) => Promise<Session>,
): Promise<Session> {
  const session = await database.transaction(async (tx) => {
    const row = await store.useRefresh(tx, refreshToken);
    if (!row) return undefined;
    const user = row.used || row.expired ? undefined : await store.findUser(tx, row.user_id);
    if (user) return startSession(tx, user, row.family);
    await store.deleteFamily(tx, row.family);
    return undefined;
  });
  if (!session) throw new ProblemError('UNAUTHENTICATED', 'The session is over: sign in again');
  return session;
}

function publicUser({ id, email, superadmin }: store.UserRow): User {
  return { id, email, superadmin };
}

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
