import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresSkipReason } from '../../../test/services/postgres.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

const skipped = postgresSkipReason();
if (skipped && process.env['CI']) throw new Error(skipped);

/** Embedded Postgres runs one transaction after the other: only a real one shows what two at once do. */
describe.skipIf(skipped)('an organization’s keys, changed by many at once', () => {
  let one: TestMaster;
  beforeAll(async () => {
    one = await startTestMaster({ postgres: true });
  });
  afterAll(() => one?.stop());

  const make = (id: string) => one.api('POST', '/api/orgs', { id, name: id });
  const rotate = (id: string) => one.api('POST', `/api/orgs/${id}/keys/rotate`, {});
  const lasting = async (id: string): Promise<readonly number[]> =>
    (await one.api('GET', `/api/orgs/${id}/keys`)).body.items
      .filter((item: { not_after?: string; revoked_at?: string }) => !item.not_after && !item.revoked_at)
      .map(({ generation }: { generation: number }) => generation);

  test('a rotation and a revocation wait for whoever changes the organization', async () => {
    await make('waiting');
    await rotate('waiting');
    const waiting = async (): Promise<number> => {
      const sql = 'SELECT count(*)::int AS count FROM pg_locks WHERE NOT granted';
      return (await one.database.query<{ count: number }>(sql)).rows[0]?.count ?? 0;
    };
    const begun: Promise<{ readonly status: number }>[] = [];
    await one.database.transaction(async (tx) => {
      await tx.query("SELECT id FROM organization WHERE id = 'waiting' FOR NO KEY UPDATE");
      begun.push(rotate('waiting'), one.api('DELETE', '/api/orgs/waiting/keys/1'));
      await expect.poll(waiting, { timeout: 10_000 }).toBe(2);
    });
    expect((await Promise.all(begun)).map(({ status }) => status)).toEqual([201, 204]);
  });

  test('each rotation makes a generation of its own, and the newest alone has no end', async () => {
    await make('many');
    const made = await Promise.all(Array.from({ length: 8 }, () => rotate('many')));
    expect(made.map(({ body }) => body.generation).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await lasting('many')).toEqual([9]);
  });

  test('a key is left whoever comes first, the rotation or the revocation', async () => {
    for (let round = 0; round < 10; round++) {
      const id = `race-${round}`;
      await make(id);
      const [rotated, revoked] = await Promise.all([rotate(id), one.api('DELETE', `/api/orgs/${id}/keys/1`)]);
      expect(rotated.status).toBe(201);
      expect([204, 409]).toContain(revoked.status);
      expect(await lasting(id)).toEqual([2]);
    }
  });

  test('each of many secrets that are set at once has a version of its own, and the last one counts', async () => {
    await make('secrets');
    const set = await Promise.all(
      Array.from({ length: 8 }, (_, at) => one.api('PUT', '/api/orgs/secrets/secrets/t', { value: `value ${at}` })),
    );
    const versions = set.map(({ body }) => body.version).sort((a, b) => a - b);
    expect(versions).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect((await one.node('secrets', 'GET', '/api/sync/campaigns?org_id=secrets')).body).toMatchObject({
      revision: 8,
      secrets: [{ name: 't', version: 8 }],
    });
  });
});
