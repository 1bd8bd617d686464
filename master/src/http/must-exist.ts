import type { Queryable } from '../database/index.ts';
import { notFound } from './problems.ts';

/** @throws ProblemError when the organization is not there */
export async function mustExist(db: Queryable, orgId: string): Promise<void> {
  const { rows } = await db.query('SELECT 1 FROM organization WHERE id = $1', [orgId]);
  if (rows.length === 0) throw notFound(`organization "${orgId}"`);
}
