import { randomBytes } from 'node:crypto';
import type { Me, Membership } from '@voiceoi/contracts';
import type { Logger } from '@voiceoi/kernel';
import * as audit from '../audit/index.ts';
import type { Database, Queryable } from '../database/index.ts';
import { type Principal, ProblemError, validationFailed } from '../http/index.ts';
import type { AccessTokens } from './access-token.ts';
import { checkNewPassword } from './password-policy.ts';
import { hashPassword, verifyPassword } from './passwords.ts';
import { publicUser, rotate, type Session, type StartSession, sessionStarter } from './sessions.ts';
import { signInLimits } from './sign-in-limits.ts';
import * as store from './store.ts';

/** Sign-in and sessions. */
export interface AuthService {
  login(email: string, password: string, address: string): Promise<Session>;
  refresh(refreshToken: string): Promise<Session>;
  logout(refreshToken: string | undefined, everywhere: boolean): Promise<void>;
  changePassword(change: PasswordChange): Promise<void>;
  me(userId: string): Promise<Me>;
  authenticate(accessToken: string): Promise<Principal | undefined>;
  /** The user of an e-mail and a password. @throws ProblemError for a wrong one, and 429 after too many */
  verify(email: string, password: string, address: string): Promise<store.UserRow>;
  startSession: StartSession;
}

interface PasswordChange {
  readonly userId: string;
  readonly current: string;
  readonly next: string;
  readonly address: string;
  /** The session that goes on. */
  readonly session: string | undefined;
}

interface AuthOptions {
  readonly database: Database;
  readonly tokens: AccessTokens;
  readonly log: Logger;
  memberships(userId: string): Promise<readonly Membership[]>;
}

export function authService({ database, tokens, memberships, log }: AuthOptions): AuthService {
  const verify = passwordVerifier(database, log);
  const startSession = sessionStarter(tokens);
  return {
    verify,
    startSession,
    login: async (email, password, address) => {
      const user = await verify(email, password, address);
      return database.transaction(async (tx) => {
        const session = await startSession(tx, user);
        await recordUser(tx, 'user.sign_in', user);
        return session;
      });
    },
    refresh: (refreshToken) => rotate(database, refreshToken, startSession),
    logout: (refreshToken, everywhere) => endSession(database, refreshToken, everywhere),
    changePassword: (change) => changePassword(database, verify, change),
    me: async (userId) => {
      const user = await store.findUser(database, userId);
      if (!user) throw new ProblemError('UNAUTHENTICATED', 'This account is gone');
      return { ...publicUser(user), memberships: [...(await memberships(userId))] };
    },
    authenticate: async (accessToken) => {
      const subject = await tokens.verify(accessToken);
      const user = subject && (await store.findUserOfSession(database, subject.userId, subject.session));
      return subject && user && { kind: 'user', ...publicUser(user), session: subject.session };
    },
  };
}

function passwordVerifier(database: Database, log: Logger): AuthService['verify'] {
  const limits = signInLimits(database);
  // Unknown users cost the same time as known ones: their password is checked against this.
  const nobody = hashPassword(randomBytes(16).toString('hex'));
  return async (email, password, address) => {
    const user = await store.findUserByEmail(database, email);
    // Counted under the name that was found: the database may take more spellings for the same than we do.
    const who = { account: user?.email ?? email, address };
    await limits.check(who);
    const fits = await verifyPassword(password, user?.password_hash ?? (await nobody));
    if (!user || !fits) {
      await limits.fail(who);
      // Not what was typed: people type passwords there too.
      log.warn({ user_id: user?.id, address }, 'a sign-in failed');
      throw new ProblemError('BAD_CREDENTIALS', 'E-mail or password is wrong');
    }
    // Guesses that were sent at the same time have failed meanwhile: the right one among them must not get through.
    await limits.check(who);
    await limits.succeed(who);
    return user;
  };
}

async function endSession(database: Database, refreshToken: string | undefined, everywhere: boolean): Promise<void> {
  if (refreshToken === undefined) return;
  await database.transaction(async (tx) => {
    const row = await store.useRefresh(tx, refreshToken);
    if (!row) return;
    if (everywhere) await store.deleteSessions(tx, row.user_id);
    else await store.deleteFamily(tx, row.family);
    const user = await store.findUser(tx, row.user_id);
    if (user) await recordUser(tx, everywhere ? 'user.sign_out_everywhere' : 'user.sign_out', user);
  });
}

/** In the chain of the instance: a user belongs to no single organization. Failed sign-ins are not there, since anybody could make it grow by them. */
async function recordUser(tx: Queryable, action: audit.Happening['action'], user: store.UserRow): Promise<void> {
  const actor = audit.userActor(user);
  await audit.record(tx, { orgId: audit.INSTANCE, action, target: `user/${user.id}`, actor });
}

async function changePassword(
  database: Database,
  verify: AuthService['verify'],
  { userId, current, next, address, session }: PasswordChange,
): Promise<void> {
  const user = await store.findUser(database, userId);
  if (!user) throw new ProblemError('UNAUTHENTICATED', 'This account is gone');
  checkNewPassword(next, user.email, '/new_password');
  await verify(user.email, current, address).catch((error: unknown) => {
    const isWrong = error instanceof ProblemError && error.code === 'BAD_CREDENTIALS';
    throw isWrong ? validationFailed([{ path: '/current_password', message: 'is wrong' }]) : error;
  });
  const passwordHash = await hashPassword(next);
  await database.transaction(async (tx) => {
    await store.setPasswordHash(tx, userId, passwordHash);
    await store.deleteSessions(tx, userId, session);
    await recordUser(tx, 'user.change_password', user);
  });
}
