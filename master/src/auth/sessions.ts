import { randomBytes } from 'node:crypto';
import type { LoginAnswer, User } from '@voiceoi/contracts';
import { uuidv7 } from 'uuidv7';
import type { Database, Queryable } from '../database/index.ts';
import { ProblemError } from '../http/index.ts';
import { ACCESS_SECONDS, type AccessTokens } from './access-token.ts';
import * as store from './store.ts';

/** Days that a session lasts without being used. */
export const REFRESH_DAYS = 30;

/** What signing in gives: the answer, and the token that goes into the cookie. */
export interface Session {
  readonly answer: LoginAnswer;
  readonly refreshToken: string;
}

/** Starts a session, or goes on with one when its `family` is given. */
export type StartSession = (db: Queryable, user: store.UserRow, family?: string) => Promise<Session>;

export function sessionStarter(tokens: AccessTokens): StartSession {
  return async (db, user, family = uuidv7()) => {
    const refreshToken = randomBytes(32).toString('base64url');
    await store.insertRefresh(db, refreshToken, user.id, family, REFRESH_DAYS);
    const access_token = await tokens.issue({ userId: user.id, session: family });
    return {
      refreshToken,
      answer: { access_token, token_type: 'Bearer', expires_in: ACCESS_SECONDS, user: publicUser(user) },
    };
  };
}

/**
 * A refresh token is good for one use. One that is used again was stolen, or its thief was faster: the whole family ends.
 * There is no grace for two tabs that refresh at once: it would be as long a time for a thief. They take turns (Web Locks) instead.
 */
export async function rotate(database: Database, refreshToken: string, startSession: StartSession): Promise<Session> {
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

export function publicUser({ id, email, superadmin }: store.UserRow): User {
  return { id, email, superadmin };
}
