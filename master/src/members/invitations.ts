import { randomBytes } from 'node:crypto';
import type { Invitation, Role } from '@voiceoi/contracts';
import { uuidv7 } from 'uuidv7';
import * as audit from '../audit/index.ts';
import {
  type AuthService,
  checkNewPassword,
  findUserByEmail,
  hashPassword,
  insertUser,
  type Session,
  type UserRow,
} from '../auth/index.ts';
import { type Database, hasSqlState, type Queryable, UNIQUE_VIOLATION } from '../database/index.ts';
import { ProblemError, validationFailed } from '../http/index.ts';
import { findInvitation, putInvitation, takeInvitation } from './invitation-store.ts';
import { findMember, insertMember } from './store.ts';

const DAYS = 7;

/** Bringing people into an organization. */
export interface Invitations {
  /** Makes one, in place of an earlier one of the same e-mail; its address is shown this once. */
  make(tx: Queryable, wanted: WantedInvitation): Promise<Invitation>;
  /**
   * Makes the invited one a member and signs them in. Whoever has an account proves it with its password: an invitation
   * shows that somebody was given the address, and not that it is the account's owner. Others choose a password.
   */
  accept(token: string, password: string, address: string): Promise<Session>;
}

interface WantedInvitation {
  readonly orgId: string;
  readonly email: string;
  readonly role: Role;
  readonly invitedBy: string;
}

interface InvitationOptions {
  readonly database: Database;
  readonly auth: Pick<AuthService, 'verify' | 'startSession'>;
  readonly publicUrl: string;
}

export function invitations({ database, auth, publicUrl }: InvitationOptions): Invitations {
  return {
    make: async (tx, { orgId, email, role, invitedBy }) => {
      const token = randomBytes(32).toString('base64url');
      const id = uuidv7();
      await putInvitation(tx, { id, org_id: orgId, email, role, token, invitedBy, days: DAYS });
      const made = await findMember(tx, orgId, id);
      if (!made?.expires_at) throw new Error('an invitation that was just made is not there');
      const invite_url = `${publicUrl.replace(/\/+$/, '')}/invite?token=${token}`;
      return { ...made, expires_at: made.expires_at, invite_url };
    },
    accept: async (token, password, address) => {
      const invitation = await findInvitation(database, token);
      if (!invitation) throw unknownInvitation();
      const { email } = invitation;
      const known = await findUserByEmail(database, email);
      const user = known ? await auth.verify(email, password, address) : undefined;
      const passwordHash = user ? user.password_hash : await newPasswordHash(password, email);
      return database.transaction(async (tx) => {
        const taken = await takeInvitation(tx, token);
        if (!taken) throw unknownInvitation();
        const member = user ?? (await newUser(tx, email, passwordHash));
        const orgId = taken.org_id;
        await insertMember(tx, orgId, member.id, taken.role);
        const session = await auth.startSession(tx, member);
        const after = await findMember(tx, orgId, member.id);
        const actor = audit.userActor(member);
        await audit.record(tx, { orgId, action: 'member.join', target: `member/${member.id}`, after, actor });
        return session;
      });
    },
  };
}

function unknownInvitation(): ProblemError {
  return validationFailed([{ path: '/token', message: 'is of no invitation, or of one that was used or is over' }]);
}

async function newPasswordHash(password: string, email: string): Promise<string> {
  checkNewPassword(password, email, '/password');
  return hashPassword(password);
}

async function newUser(tx: Queryable, email: string, passwordHash: string): Promise<UserRow> {
  try {
    return await insertUser(tx, { email, password_hash: passwordHash, superadmin: false });
  } catch (error) {
    if (!hasSqlState(error, UNIQUE_VIOLATION)) throw error;
    // They accepted another organization's invitation at the same moment: the next try finds the account.
    throw new ProblemError('ALREADY_EXISTS', 'This account was made a moment ago: accept with its password');
  }
}
