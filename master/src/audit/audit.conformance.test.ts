import { demoScript } from '@voiceoi/script';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type OpenedDatabase,
  openEmbedded,
  openPostgres,
  openPostgresAsOwner,
} from '../../../test/services/databases.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { migrate } from '../database/index.ts';
import { record } from './record.ts';
import { verifyAudit } from './verify.ts';

describe('two masters that write at once', () => {
  let one: TestMaster;
  let second: TestMaster['master'];
  beforeAll(async () => {
    one = await startTestMaster({ postgres: true });
    second = await one.another();
    for (const id of ['abc', 'other']) await one.api('POST', '/api/orgs', { id, name: id });
    await one.api('POST', '/api/orgs/abc/scripts', { id: 's', name: 'S', document: demoScript });
    await one.api('POST', '/api/orgs/abc/scripts/s/publish', {});
    await one.api('POST', '/api/orgs/abc/campaigns', { id: 'c', name: 'C', script_id: 's' });
  });
  afterAll(() => one.stop());

  const send = async (at: number, method: 'POST' | 'PATCH' | 'PUT', path: string, payload: object): Promise<number> => {
    const { app } = at % 2 === 0 ? one.master : second;
    const headers = { authorization: `Bearer ${one.token}` };
    return (await app.inject({ method, url: `/api/orgs/${path}`, payload, headers })).statusCode;
  };

  test('keep one chain for each organization, in the order of commits, and it holds at each moment', async () => {
    const before = (await verifyAudit(one.database, [], 'abc'))[0]?.entries ?? 0;
    const rounds = Array.from({ length: 20 }, (_value, at) => at);
    const work = rounds.flatMap((at) => [
      send(at, 'PATCH', 'abc/campaigns/c', { name: `n${at}` }),
      send(at, 'PUT', 'abc/scripts/s/draft', { document: demoScript }),
      send(at, 'POST', 'abc/scripts/s/publish', {}),
      send(at, 'POST', 'abc/members', { email: `p${at}@example.com`, role: 'viewer' }),
      send(at, 'PATCH', 'abc', { name: `n${at}` }),
      send(at, 'POST', 'abc/scripts', { id: `s${at}`, name: 'S' }),
      send(at, 'PATCH', 'other', { name: `n${at}` }),
    ]);
    let isOver = false;
    const looks: unknown[] = [];
    const look = async (): Promise<void> => {
      while (!isOver) looks.push(...(await verifyAudit(one.database)).flatMap(({ broken }) => broken ?? []));
    };
    const looking = look();
    const statuses = await Promise.all(work);
    isOver = true;
    await looking;
    expect(statuses.filter((status) => status >= 300)).toEqual([]);
    expect(looks).toEqual([]);
    expect(await verifyAudit(one.database, [], 'abc')).toEqual([
      { orgId: 'abc', entries: before + 6 * rounds.length, hash: expect.any(String) },
    ]);
    const sql = `SELECT a.after->>'version' AS version, a.at FROM audit_log a WHERE org_id = 'abc' ORDER BY seq`;
    const { rows } = await one.database.query<{ version: string | null; at: Date }>(sql);
    const versions = rows.flatMap(({ version }) => (version !== null && /^\d+$/.test(version) ? Number(version) : []));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    const moments = rows.map(({ at }) => at.getTime());
    expect(moments).toEqual(moments.toSorted((a, b) => a - b));
  });
});

describe.each<[string, () => Promise<OpenedDatabase>]>([
  ['the embedded database', openEmbedded],
  ['Postgres, as a superuser', openPostgres],
  ['Postgres, as the owner of the tables', openPostgresAsOwner],
])('the audit log in %s', (_name, open) => {
  let opened: OpenedDatabase;
  beforeAll(async () => {
    opened = await open();
    await migrate(opened.database);
    for (const orgId of ['one', 'two'])
      await opened.database.transaction(
        (tx) => record(tx, { orgId, action: 'campaign.update', target: 'campaign/c' }),
        orgId,
      );
  });
  afterAll(() => opened.close());

  const refused = ['UPDATE audit_log SET action = action', 'DELETE FROM audit_log', 'TRUNCATE audit_log'];
  refused.push('DELETE FROM audit_head', 'TRUNCATE audit_head');
  test.each(refused.flatMap((sql) => [[sql, undefined] as const, [sql, 'one'] as const]))(
    'refuses %s (scope %s)',
    async (sql, scope) => {
      const refusal = expect.objectContaining({ code: '42501' });
      await expect(opened.database.transaction((tx) => tx.query(sql), scope)).rejects.toEqual(refusal);
    },
  );

  test('shows and takes entries of the organization of the request alone', async () => {
    const inOne = <T>(sql: string) => opened.database.transaction(async (tx) => (await tx.query<T>(sql)).rows, 'one');
    expect(await inOne('SELECT org_id FROM audit_log')).toEqual([{ org_id: 'one' }]);
    expect(await inOne('SELECT org_id FROM audit_head')).toEqual([{ org_id: 'one' }]);
    const foreign = opened.database.transaction(
      (tx) => record(tx, { orgId: 'two', action: 'campaign.update', target: 'campaign/c' }),
      'one',
    );
    await expect(foreign).rejects.toMatchObject({ code: '42501' });
    expect(await verifyAudit(opened.database)).toMatchObject([{ entries: 1 }, { entries: 1 }]);
  });
});
