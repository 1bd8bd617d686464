import { deriveOrgKey, type OrgKey, parseOrgKey } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresSkipReason } from '../../../test/services/postgres.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { nodeOrders } from './orders.ts';

const key = async (orgId: string): Promise<OrgKey> => {
  const parsed = parseOrgKey(deriveOrgKey('a salt for tests that is long enough', orgId, 1));
  if (!parsed) throw new Error('a derived key is a key');
  return parsed;
};

describe.each([
  ['PGlite', false],
  ['Postgres', true],
])('node orders on %s', (_name, postgres) => {
  const skip = postgres ? postgresSkipReason() : undefined;
  let one: TestMaster;
  beforeAll(async () => {
    if (skip) return;
    one = await startTestMaster({ postgres });
    for (const id of ['abc', 'xyz']) await one.api('POST', '/api/orgs', { id, name: id });
  });
  afterAll(() => one?.stop());

  test.skipIf(skip)(
    'that are issued at once, by several masters, become visible in the order of their times',
    async () => {
      const masters = [nodeOrders(one.database, key), nodeOrders(one.database, key)];
      const ids = Array.from({ length: 60 }, (_value, index) => `n${index}`);
      const issuing = Promise.all(ids.map((id, index) => masters[index % 2]?.issue('abc', id, 'draining')));
      const seen: string[] = [];
      let cursor: string | undefined;
      while (seen.length < ids.length) {
        for (const { node_id, issued_at } of (await masters[0]?.after('abc', cursor)) ?? []) {
          expect(issued_at > (cursor ?? '')).toBe(true);
          cursor = issued_at;
          seen.push(node_id);
        }
      }
      await issuing;
      expect([...seen].sort()).toEqual([...ids].sort());
      expect(await masters[1]?.after('abc', cursor)).toEqual([]);
      expect(await masters[1]?.after('xyz', undefined)).toEqual([]);
    },
  );

  test.skipIf(skip)('go on from the last one when the clock was set back, and replace the node’s last', async () => {
    const orders = nodeOrders(one.database, key);
    await one.database.query("UPDATE node_order SET issued_at = issued_at + interval '1 day' WHERE node_id = 'n1'");
    const { issued_at: before } = await orders.issue('abc', 'n1', 'draining');
    const { issued_at: after } = await orders.issue('abc', 'n1', 'active');
    expect(Date.parse(after) - Date.parse(before)).toBe(1);
    expect(await orders.after('abc', before)).toMatchObject([{ node_id: 'n1', state: 'active', issued_at: after }]);
  });
});
