import { createHash } from 'node:crypto';
import type { Role } from '@voiceoi/contracts';
import type { Database, Queryable } from '../database/index.ts';

export interface InvitationRow {
  readonly id: string;
  readonly org_id: string;
  readonly email: string;
  readonly role: Role;
}

interface NewInvitation extends InvitationRow {
  readonly token: string;
  readonly invitedBy: string;
  readonly days: number;
}

/** Tokens are kept as hashes: whoever reads the database can accept nothing. */
const hashOf = (token: string): Uint8Array => createHash('sha256').update(token).digest();

/** Takes the place of an earlier invitation of the same e-mail, whose address is good no more. */
export async function putInvitation(db: Queryable, made: NewInvitation): Promise<void> {
  const sql = `INSERT INTO invitation (id, org_id, email, role, token_hash, invited_by, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(days => $7))
    ON CONFLICT (org_id, lower(email)) DO UPDATE SET id = excluded.id, email = excluded.email, role = excluded.role,
      token_hash = excluded.token_hash, invited_by = excluded.invited_by, created_at = now(), expires_at = excluded.expires_at`;
  const { id, org_id, email, role, token, invitedBy, days } = made;
  await db.query(sql, [id, org_id, email, role, hashOf(token), invitedBy, days]);
}

export async function findInvitation(db: Queryable, token: string): Promise<InvitationRow | undefined> {
  const sql = 'SELECT id, org_id, email, role FROM invitation WHERE token_hash = $1 AND expires_at > now()';
  return (await db.query<InvitationRow>(sql, [hashOf(token)])).rows[0];
}

/** Takes an invitation, with the role that it has by now; undefined when somebody was faster. */
export async function takeInvitation(db: Queryable, token: string): Promise<InvitationRow | undefined> {
  const sql = 'DELETE FROM invitation WHERE token_hash = $1 AND expires_at > now() RETURNING id, org_id, email, role';
  return (await db.query<InvitationRow>(sql, [hashOf(token)])).rows[0];
}

/** Drops invitations that nobody accepted in time. Returns how many. */
export async function trimInvitations(database: Database): Promise<number> {
  return (await database.query('DELETE FROM invitation WHERE expires_at < now()')).rowCount;
}
