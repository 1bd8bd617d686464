import type { Database } from '../database/index.ts';

const KEPT_DAYS = 30;
const KEPT_REVISIONS = 1_000;

/**
 * Drops changes that are old, but never an organization's last thousand: a node that is further behind gets the whole bundle.
 * Only what was published goes. Returns how many.
 */
export async function trimChangeLog(database: Database): Promise<number> {
  const sql = `DELETE FROM change_log USING organization
    WHERE organization.id = change_log.org_id AND change_log.revision <= organization.revision - $1
      AND committed_at < now() - make_interval(days => $2)`;
  return (await database.query(sql, [KEPT_REVISIONS, KEPT_DAYS])).rowCount;
}
