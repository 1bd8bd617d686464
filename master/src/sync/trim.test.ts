import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { trimChangeLog } from './trim.ts';

let one: TestMaster;
beforeAll(async () => {
  one = await startTestMaster();
  for (const id of ['many', 'few', 'young']) await one.api('POST', '/api/orgs', { id, name: id });
});
afterAll(() => one.stop());

async function log(orgId: string, revisions: number, days: number): Promise<void> {
  await one.database.query('DELETE FROM change_log WHERE org_id = $1', [orgId]);
  await one.database.query('UPDATE organization SET revision = $2 WHERE id = $1', [orgId, revisions]);
  await one.database.query(
    `INSERT INTO change_log (org_id, revision, epoch, changes, sha256, actor, committed_at)
     SELECT $1, n, 'e', '[]', '', '', now() - make_interval(days => $3) FROM generate_series(1, $2::int) AS n`,
    [orgId, revisions, days],
  );
}

test('changes of long ago go, but never the last thousand of an organization', async () => {
  await log('many', 1500, 31);
  await log('few', 900, 400);
  await log('young', 1500, 29);
  expect(await trimChangeLog(one.database)).toBe(500);
  const sql = 'SELECT org_id, count(*) AS n, min(revision) AS first FROM change_log GROUP BY org_id ORDER BY org_id';
  expect((await one.database.query(sql)).rows).toEqual([
    { org_id: 'few', n: 900, first: 1 },
    { org_id: 'many', n: 1000, first: 501 },
    { org_id: 'young', n: 1500, first: 1 },
  ]);
});
