import type { Membership, Role } from '@voiceoi/contracts';
import type { Database } from '../database/index.ts';

/** Who has which role where, as the database has it at that moment: a change counts from the next request on. */
export interface MemberRoles {
  in(userId: string, orgId: string): Promise<Role | undefined>;
  of(userId: string): Promise<readonly Membership[]>;
}

export function memberRoles(database: Database): MemberRoles {
  return {
    in: async (userId, orgId) => {
      const sql = 'SELECT role FROM member WHERE org_id = $1 AND user_id = $2';
      return (await database.query<{ role: Role }>(sql, [orgId, userId])).rows[0]?.role;
    },
    of: async (userId) => {
      const sql = 'SELECT org_id, role FROM member WHERE user_id = $1 ORDER BY org_id COLLATE "C"';
      return (await database.query<Membership>(sql, [userId])).rows;
    },
  };
}
