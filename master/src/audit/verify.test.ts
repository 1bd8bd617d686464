import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Database, migrate, pgliteDatabase } from '../database/index.ts';
import { type AuditRow, chainHash, entryOf, NO_HASH } from './entry.ts';
import { record } from './record.ts';
import { describeChains, parseHead } from './report.ts';
import { verifyAudit } from './verify.ts';

let database: Database;
beforeAll(async () => {
  database = pgliteDatabase(await PGlite.create());
  await migrate(database);
});
afterAll(() => database.close());

/** What somebody can do who is above grants and takes the triggers away first. */
async function tamper(sql: string): Promise<void> {
  await database.exec(`ALTER TABLE audit_log DISABLE TRIGGER ALL; ALTER TABLE audit_head DISABLE TRIGGER ALL; ${sql};
    ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
    ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_kept`);
}

const write = (orgId: string, n: number): Promise<void> =>
  database.transaction((tx) =>
    record(tx, {
      orgId,
      action: 'campaign.update',
      target: `campaign/${n}`,
      before: { n: n - 1 },
      after: { n, x: 1e21 },
    }),
  );

beforeEach(async () => {
  await tamper('DELETE FROM audit_log; DELETE FROM audit_head');
  for (let n = 1; n <= 5; n++) await write('abc', n);
  await write('other', 1);
});

test('chains that hold are counted, and their heads shown', async () => {
  const reports = await verifyAudit(database);
  expect(reports).toEqual([
    { orgId: 'abc', entries: 5, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    { orgId: 'other', entries: 1, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
  ]);
  expect(describeChains(reports)).toBe(
    `abc:5:${reports[0]?.hash}\nother:1:${reports[1]?.hash}\n2 chains, 6 entries hold, 0 chains broken.`,
  );
  expect(await verifyAudit(database, [], 'other')).toEqual([reports[1]]);
});

test('a chain longer than what is read at once holds too', async () => {
  for (let n = 6; n <= 1001; n++) await write('abc', n);
  expect(await verifyAudit(database, [], 'abc')).toMatchObject([{ entries: 1001 }]);
  await tamper(`UPDATE audit_log SET target = 'x' WHERE org_id = 'abc' AND seq = 750`);
  expect(await verifyAudit(database, [], 'abc')).toMatchObject([{ entries: 749, broken: { seq: 750 } }]);
});

const SWAP = ['-2 WHERE seq = 2', '2 WHERE seq = 3', '3 WHERE seq = -2'];
describe('the first entry that does not hold is named', () => {
  test.each([
    ['who did it', 3, `UPDATE audit_log SET actor = '{"kind":"user","id":"x","name":"x"}' WHERE seq = 3`],
    ['what it was before', 3, `UPDATE audit_log SET before = '{"n":7}' WHERE seq = 3`],
    ['what it is now', 5, `UPDATE audit_log SET after = NULL WHERE seq = 5`],
    ['its time', 1, `UPDATE audit_log SET at = at + interval '1 millisecond' WHERE org_id = 'abc' AND seq = 1`],
    ['its address', 2, `UPDATE audit_log SET address = '10.0.0.1' WHERE seq = 2`],
    ['its hash', 4, `UPDATE audit_log SET hash = sha256('x') WHERE seq = 4`],
    ['the first is gone', 1, `DELETE FROM audit_log WHERE org_id = 'abc' AND seq = 1`],
    ['one in the middle is gone', 3, `DELETE FROM audit_log WHERE seq = 3`],
    [
      'one in the middle is gone and those behind it moved up',
      3,
      `DELETE FROM audit_log WHERE seq = 3; UPDATE audit_log SET seq = 3 WHERE seq = 4; UPDATE audit_log SET seq = 4 WHERE seq = 5`,
    ],
    ['the tail is cut off', 4, `DELETE FROM audit_log WHERE seq >= 4`],
    ['all are gone', 1, `DELETE FROM audit_log WHERE org_id = 'abc'`],
    [
      'two have changed places',
      2,
      `ALTER TABLE audit_log DROP CONSTRAINT audit_log_seq_check; ${SWAP.map((to) => `UPDATE audit_log SET seq = ${to}`).join('; ')}`,
    ],
    ['the head is gone', 1, `DELETE FROM audit_head WHERE org_id = 'abc'`],
    ['the head is an earlier one', 5, `UPDATE audit_head SET seq = 4 WHERE org_id = 'abc'`],
    ['the head has another hash', 5, `UPDATE audit_head SET hash = sha256('x') WHERE org_id = 'abc'`],
  ])('%s', async (_what, seq, sql) => {
    await tamper(sql);
    const reports = await verifyAudit(database);
    expect(reports).toEqual([
      expect.objectContaining({ orgId: 'abc', broken: { seq, why: expect.any(String) } }),
      expect.not.objectContaining({ broken: expect.anything() }),
    ]);
    expect(() => describeChains(reports)).toThrow(`abc: entry ${seq} `);
  });
});

describe('a head that was kept elsewhere', () => {
  const kept = async (): Promise<string> => describeChains(await verifyAudit(database, [], 'abc')).split('\n')[0] ?? '';

  test('still holds when entries have come since', async () => {
    const known = [parseHead(await kept())];
    await write('abc', 6);
    expect(await verifyAudit(database, known, 'abc')).toMatchObject([{ entries: 6 }]);
    expect((await verifyAudit(database, known, 'abc'))[0]?.broken).toBeUndefined();
  });

  test('tells of a tail that was cut off together with the head', async () => {
    const known = [parseHead(await kept())];
    await tamper(`DELETE FROM audit_log WHERE seq = 5; UPDATE audit_head h SET seq = 4,
      hash = (SELECT hash FROM audit_log l WHERE l.org_id = h.org_id AND l.seq = 4) WHERE org_id = 'abc'`);
    expect((await verifyAudit(database, [], 'abc'))[0]?.broken).toBeUndefined();
    expect(await verifyAudit(database, known, 'abc')).toMatchObject([{ broken: { seq: 5 } }]);
  });

  test('tells of a chain that was written anew from one entry on', async () => {
    const known = [parseHead(await kept())];
    await tamper(`UPDATE audit_log SET address = '10.0.0.1' WHERE seq = 2`);
    const { rows } = await database.query<AuditRow>(`SELECT * FROM audit_log WHERE org_id = 'abc' ORDER BY seq`);
    let last = NO_HASH;
    for (const row of rows) {
      last = chainHash(last, entryOf(row));
      const hex = Buffer.from(last).toString('hex');
      await tamper(`UPDATE audit_log SET hash = '\\x${hex}' WHERE org_id = 'abc' AND seq = ${row.seq};
        UPDATE audit_head SET hash = '\\x${hex}' WHERE org_id = 'abc'`);
    }
    expect((await verifyAudit(database, [], 'abc'))[0]?.broken).toBeUndefined();
    expect(await verifyAudit(database, known, 'abc')).toMatchObject([{ broken: { seq: 5 } }]);
  });

  test('tells of a chain that is not there at all', async () => {
    const known = [parseHead(await kept())];
    await tamper(`DELETE FROM audit_log WHERE org_id = 'abc'; DELETE FROM audit_head WHERE org_id = 'abc'`);
    expect(await verifyAudit(database, known)).toMatchObject([
      { orgId: 'other' },
      { orgId: 'abc', broken: { seq: 1 } },
    ]);
  });

  test('is taken as it was printed only', () => {
    for (const text of ['abc', 'abc:5', 'abc:x:00', `abc:5:${'0'.repeat(63)}`])
      expect(() => parseHead(text)).toThrow('--known');
  });
});
