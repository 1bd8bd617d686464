import type { Database, Queryable } from '../database/index.ts';
import { notFound } from '../http/index.ts';
import type { ContentReader } from './content.ts';
import { diffContent } from './diff-content.ts';
import { diffSecrets, type SecretSource, type SecretVersion } from './secret-source.ts';

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

export function revisions(
  database: Database,
  reader: ContentReader,
  secrets: SecretSource,
  onCommit: (orgId: string) => void,
): Revisions {
  const sources = { reader, secrets };
  return {
    change: async ({ orgId, actor }, work) => {
      const { result, changed } = await database.transaction(async (tx) => {
        await lockOrganization(tx, orgId);
        const before = await readAll(tx, sources, orgId);
        const outcome = await work(tx);
        return { result: outcome, changed: await logChange(tx, sources, before, actor) };
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

interface Sources {
  readonly reader: ContentReader;
  readonly secrets: SecretSource;
}

/** What nodes get of an organization; secrets stand beside what the `sha256` covers. */
interface Everything {
  readonly content: Awaited<ReturnType<ContentReader['read']>>;
  readonly secrets: readonly SecretVersion[];
}

async function readAll(tx: Queryable, { reader, secrets }: Sources, orgId: string): Promise<Everything> {
  return { content: await reader.read(tx, orgId), secrets: await secrets.versions(tx, orgId) };
}

async function logChange(tx: Queryable, sources: Sources, before: Everything, actor: string): Promise<boolean> {
  const { org_id: orgId } = before.content;
  const after = await readAll(tx, sources, orgId);
  const items = [...diffContent(before.content, after.content), ...diffSecrets(before.secrets, after.secrets)];
  if (items.length === 0) return false;
  const raise = 'UPDATE organization SET revision = revision + 1 WHERE id = $1 RETURNING revision';
  const revision = (await tx.query<{ revision: number }>(raise, [orgId])).rows[0]?.revision ?? 0;
  const { content } = after;
  const sha256 = sources.reader.sha256({ ...content, revision });
  // The column's default is when the transaction began, which may be long ago where it waited for the lock.
  const insert = `INSERT INTO change_log (org_id, revision, epoch, changes, sha256, actor, committed_at)
    VALUES ($1, $2, $3, $4::jsonb, $5, $6, clock_timestamp())`;
  await tx.query(insert, [orgId, revision, content.epoch, JSON.stringify(items), sha256, actor]);
  return true;
}
