import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Database, migrate, pgliteDatabase } from '../database/index.ts';
import { network, type SignInLimits, signInLimits, trimSignIns } from './sign-in-limits.ts';

let db: Database;
let limits: SignInLimits;
beforeAll(async () => {
  db = pgliteDatabase(await PGlite.create());
  await migrate(db);
  limits = signInLimits(db);
});
beforeEach(() => db.query('DELETE FROM sign_in_limit'));
afterAll(() => db.close());

let addresses = 0;
const somebody = { account: 'a@example.com', address: '192.0.2.1' };
/** That account, from an address that nobody used. */
const elsewhere = () => ({ ...somebody, address: `198.51.100.${addresses++}` });

async function fail(times: number, who: () => typeof somebody = elsewhere): Promise<void> {
  for (let i = 0; i < times; i++) await limits.fail(who());
}
/** Seconds that the answer asks to wait; 0 when the next try may come. */
async function wait(who = elsewhere()): Promise<number> {
  return limits.check(who).then(
    () => 0,
    (error) => Number(error.headers['retry-after']),
  );
}
const passes = (minutes: number) =>
  db.query(
    `UPDATE sign_in_limit SET blocked_until = blocked_until - make_interval(mins => $1),
      failed_at = ARRAY(SELECT at - make_interval(mins => $1) FROM unnest(failed_at) AS at),
      updated_at = updated_at - make_interval(mins => $1)`,
    [minutes],
  );

describe('an account', () => {
  test('is blocked by the fifth failure within fifteen minutes, for fifteen minutes', async () => {
    await fail(4);
    expect(await wait()).toBe(0);
    await fail(1);
    expect(await wait()).toBeGreaterThan(890);
    expect(await wait()).toBeLessThanOrEqual(900);
    await passes(16);
    expect(await wait()).toBe(0);
  });

  test('forgets failures one by one as they grow old', async () => {
    await fail(3);
    await passes(10);
    await fail(1);
    await passes(6);
    await fail(3);
    expect(await wait()).toBe(0);
    await fail(1);
    expect(await wait()).toBeGreaterThan(890);
  });

  test('is blocked for longer each time, up to an hour', async () => {
    const blocks: number[] = [];
    for (let i = 0; i < 4; i++) {
      await fail(5);
      blocks.push(Math.round((await wait()) / 60));
      await passes(61);
    }
    expect(blocks).toEqual([15, 30, 60, 60]);
  });

  test('is one however it is written, and others are not blocked with it', async () => {
    await fail(5);
    expect(await wait({ ...elsewhere(), account: 'A@Example.COM' })).toBeGreaterThan(0);
    expect(await wait({ ...elsewhere(), account: 'b@example.com' })).toBe(0);
  });

  test('starts afresh after a success', async () => {
    await fail(4);
    await limits.succeed(elsewhere());
    await fail(4);
    expect(await wait()).toBe(0);
  });

  test('counts failures that come at the same time', async () => {
    await Promise.all(Array.from({ length: 5 }, () => limits.fail(elsewhere())));
    expect(await wait()).toBeGreaterThan(0);
  });
});

describe('an address', () => {
  let accounts = 0;
  const guesser = (address = '192.0.2.9') => ({ account: `x${accounts++}@example.com`, address });

  test('is blocked by the twentieth failure, for all accounts, whatever succeeded meanwhile', async () => {
    await fail(19, guesser);
    await limits.succeed(guesser());
    expect(await wait(guesser())).toBe(0);
    await fail(1, guesser);
    expect(await wait(guesser())).toBeGreaterThan(890);
    expect(await wait(guesser('192.0.2.10'))).toBe(0);
  });

  test('of IPv6 is its network', async () => {
    await fail(20, () => guesser(`2001:db8::${(accounts % 9) + 1}`));
    expect(await wait(guesser('2001:db8:0:0:ffff::1'))).toBeGreaterThan(0);
    expect(await wait(guesser('2001:db8:0:1::1'))).toBe(0);
  });

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::1', '0:0:0:0'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:0DB8:0001:0002:3:4:5:6', '2001:db8:1:2'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
  ])('%s belongs to %s', (address, wanted) => expect(network(address)).toBe(wanted));
});

test('neither e-mails nor addresses can be read from the table', async () => {
  await fail(1, () => somebody);
  const text = JSON.stringify((await db.query('SELECT subject::text, failed_at::text FROM sign_in_limit')).rows);
  expect(text).not.toContain(Buffer.from('a@example.com').toString('hex'));
  expect(text).not.toContain(Buffer.from('192.0.2.1').toString('hex'));
});

test('what no longer counts is dropped after a day', async () => {
  await fail(1, () => somebody);
  expect(await trimSignIns(db)).toBe(0);
  await passes(25 * 60);
  expect(await trimSignIns(db)).toBe(2);
});
