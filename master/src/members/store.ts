import type { Member, Role } from '@voiceoi/contracts';
import type { Queryable } from '../database/index.ts';

interface Row {
  readonly id: string;
  readonly email: string;
  readonly role: Role;
  readonly created_at: Date;
  readonly expires_at: Date | null;
}

/** Members, and those who are invited and can still come, as one list. */
const EVERYBODY = `SELECT u.id, u.email, m.role, m.created_at, NULL::timestamptz AS expires_at
    FROM member m JOIN app_user u ON u.id = m.user_id WHERE m.org_id = $1
  UNION ALL
  SELECT id, email, role, created_at, expires_at FROM invitation WHERE org_id = $1 AND expires_at > now()`;

/** In the order of e-mails, behind `after` (e-mail and id). */
export async function listMembers(
  db: Queryable,
  orgId: string,
  after: readonly string[],
  limit: number,
): Promise<readonly Member[]> {
  const sql = `SELECT * FROM (${EVERYBODY}) AS everybody
    WHERE (lower(email) COLLATE "C", id::text COLLATE "C") > (lower($2) COLLATE "C", $3)
    ORDER BY lower(email) COLLATE "C", id::text COLLATE "C" LIMIT $4`;
  return (await db.query<Row>(sql, [orgId, after[0] ?? '', after[1] ?? '', limit])).rows.map(member);
}

/** A member by their user, or an invitation by its id. */
export async function findMember(db: Queryable, orgId: string, id: string): Promise<Member | undefined> {
  const row = (await db.query<Row>(`SELECT * FROM (${EVERYBODY}) AS everybody WHERE id = $2`, [orgId, id])).rows[0];
  return row && member(row);
}

export async function findMemberByEmail(db: Queryable, orgId: string, email: string): Promise<Member | undefined> {
  const sql = `SELECT * FROM (${EVERYBODY}) AS everybody WHERE lower(email) = lower($2)`;
  const row = (await db.query<Row>(sql, [orgId, email])).rows[0];
  return row && member(row);
}

/** Leaves a role that is there as it is. */
export async function insertMember(db: Queryable, orgId: string, userId: string, role: Role): Promise<void> {
  const sql = 'INSERT INTO member (org_id, user_id, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING';
  await db.query(sql, [orgId, userId, role]);
}

export async function setRole(db: Queryable, orgId: string, { id, status }: Member, role: Role): Promise<void> {
  const sql =
    status === 'invited'
      ? 'UPDATE invitation SET role = $3 WHERE org_id = $1 AND id = $2'
      : 'UPDATE member SET role = $3, updated_at = now() WHERE org_id = $1 AND user_id = $2';
  await db.query(sql, [orgId, id, role]);
}

export async function deleteMember(db: Queryable, orgId: string, { id, status }: Member): Promise<void> {
  const sql =
    status === 'invited'
      ? 'DELETE FROM invitation WHERE org_id = $1 AND id = $2'
      : 'DELETE FROM member WHERE org_id = $1 AND user_id = $2';
  await db.query(sql, [orgId, id]);
}

/** What somebody invited others to goes with the role that let them invite. */
export async function deleteInvitationsBy(db: Queryable, orgId: string, userId: string): Promise<void> {
  await db.query('DELETE FROM invitation WHERE org_id = $1 AND invited_by = $2', [orgId, userId]);
}

/** Owners, held until the end of the transaction: two that go at the same time must not both find the other one. */
export async function lockOwners(tx: Queryable, orgId: string): Promise<readonly string[]> {
  const sql = `SELECT user_id FROM member WHERE org_id = $1 AND role = 'owner' ORDER BY user_id FOR UPDATE`;
  return (await tx.query<{ user_id: string }>(sql, [orgId])).rows.map(({ user_id }) => user_id);
}

function member({ created_at, expires_at, ...row }: Row): Member {
  return {
    ...row,
    status: expires_at ? 'invited' : 'active',
    created_at: created_at.toISOString(),
    ...(expires_at && { expires_at: expires_at.toISOString() }),
  };
}
