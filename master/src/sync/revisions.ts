import type { Database, Queryable } from '../database/index.ts';
import { notFound } from '../http/index.ts';
import type { ContentReader } from './content.ts';
import { diffContent } from './diff-content.ts';

/** Who changes which organization. */
export interface Change {
  readonly orgId: string;
  /** For the change log: a user's e-mail, or what did it. */
  readonly actor: string;
}

/** Makes changes of configuration: the one way to write what nodes play. */
export interface Revisions {
  /**
   * Runs `work` in a transaction that holds the organization's row. What it changes in the bundle becomes one revision and one row of the change log
   * in the same transaction; where it changes nothing there, there is no revision. Nodes are told after the commit.
   * @throws what `work` throws, after a rollback; ProblemError when the organization is not there
   */
  change<T>(change: Change, work: (tx: Queryable) => Promise<T>): Promise<T>;
}

export function revisions(database: Database, reader: ContentReader, onCommit: (orgId: string) => void): Revisions {
  return {
    change: async ({ orgId, actor }, work) => {
      const { result, changed } = await database.transaction(async (tx) => {
        await lockOrganization(tx, orgId);
        const before = await reader.read(tx, orgId);
        const outcome = await work(tx);
        return { result: outcome, changed: await logChange(tx, reader, before, actor) };
      }, orgId);
      if (changed) onCommit(orgId);
      return result;
    },
  };
}

/**
 * Revision order is commit order without holes, because whoever changes an organization waits here for whoever does already. Not the stronger
 * `FOR UPDATE`: the foreign keys of call records take a share of this row, and records must not wait for a publish.
 */
async function lockOrganization(tx: Queryable, orgId: string): Promise<void> {
  const { rows } = await tx.query('SELECT id FROM organization WHERE id = $1 FOR NO KEY UPDATE', [orgId]);
  if (rows.length === 0) throw notFound(`organization "${orgId}"`);
}

async function logChange(
  tx: Queryable,
  reader: ContentReader,
  before: Awaited<ReturnType<ContentReader['read']>>,
  actor: string,
): Promise<boolean> {
  const after = await reader.read(tx, before.org_id);
  const items = diffContent(before, after);
  if (items.length === 0) return false;
  const raise = 'UPDATE organization SET revision = revision + 1 WHERE id = $1 RETURNING revision';
  const revision = (await tx.query<{ revision: number }>(raise, [before.org_id])).rows[0]?.revision ?? 0;
  const sha256 = reader.sha256({ ...after, revision });
  // The column's default is when the transaction began, which may be long ago where it waited for the lock.
  const insert = `INSERT INTO change_log (org_id, revision, epoch, changes, sha256, actor, committed_at)
    VALUES ($1, $2, $3, $4::jsonb, $5, $6, clock_timestamp())`;
  await tx.query(insert, [before.org_id, revision, after.epoch, JSON.stringify(items), sha256, actor]);
  return true;
}
