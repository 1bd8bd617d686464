import { openRedis, type Redis } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { busOf, makeOrg, nodeConnections, rename, revisionOf, SOON } from '../../../test/services/bus-operations.ts';
import { type RedisService, redisSkipReason, startRedis } from '../../../test/services/redis.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

const skip = redisSkipReason();
if (skip && process.env['CI']) throw new Error(skip);

describe.skipIf(skip)('the event bus, when much goes wrong at once', () => {
  let redis: RedisService;
  let one: TestMaster;
  let raw: Redis;
  const head = (org: string) => raw.hgetall(`voiceoi:{${org}}:head`).catch(() => ({}) as Record<string, string>);
  const isPublished = async (org: string): Promise<void> => {
    const revision = String(await revisionOf(one, org));
    await expect.poll(async () => (await head(org))['revision'], SOON).toBe(revision);
  };
  const history = async (org: string): Promise<readonly string[]> => {
    const entries = await raw.xrange(`voiceoi:{${org}}:history:${(await head(org))['epoch']}`, '-', '+');
    return entries.map(([, fields]) => fields[1] ?? '');
  };
  const users = (): Promise<readonly string[]> => raw.acl('USERS').catch(() => []);
  const waiting = async (): Promise<unknown> =>
    (await one.database.query('SELECT 1 FROM change_log WHERE published_at IS NULL')).rows.length;
  const setKey = (org: string, generation: number, what: string) =>
    one.database.query(`UPDATE organization_key SET ${what} WHERE org_id = $1 AND generation = $2`, [org, generation]);

  beforeAll(async () => {
    redis = await startRedis(['--user', 'voiceoi-own', 'on', '>secret', '~*', '&*', '+@all']);
    raw = redis.client();
    one = await startTestMaster({
      postgres: true,
      redis: { host: redis.host, port: redis.port, tls: false, username: 'voiceoi-own', password: 'secret' },
    });
    await makeOrg(one, 'abc');
  });
  afterAll(async () => {
    await one?.stop();
    await redis?.stop();
  });

  test('whoever holds a revoked key is out, although they were told the newest key’s password', async () => {
    await makeOrg(one, 'leaky');
    await one.database.query("INSERT INTO organization_key (org_id, generation) VALUES ('leaky', 2)");
    const told = await busOf(one, 'leaky');
    const node = await nodeConnections(one, 'leaky');
    const closed = new Promise((resolve) => node.messages.once('close', resolve));
    await setKey('leaky', 1, 'revoked_at = now()');
    await closed;
    node.close();
    const again = openRedis(told, 'revoked');
    const refusal = await new Promise<Error>((resolve) => again.messages.on('error', resolve));
    expect(refusal.message).toMatch(/WRONGPASS/);
    again.close();
  });

  test('a key that was revoked while no master could reach Redis ends the connections that came with it', async () => {
    await raw.acl(
      'SETUSER',
      'voiceoi-late',
      'on',
      '>revoked',
      '&voiceoi:{late}:changes',
      '+subscribe',
      '+hello',
      '+auth',
    );
    const revoked = openRedis(
      { host: redis.host, port: redis.port, tls: false, username: 'voiceoi-late', password: 'revoked' },
      'revoked',
    );
    await new Promise((resolve) => revoked.messages.once('ready', resolve));
    const closed = new Promise((resolve) => revoked.messages.once('close', resolve));
    await makeOrg(one, 'late');
    await closed;
    revoked.close();
  });

  test('an organization without a good key holds up no other', async () => {
    await makeOrg(one, 'keyless');
    await isPublished('keyless');
    await setKey('keyless', 1, 'revoked_at = now()');
    await rename(one, 'keyless', 'for nobody');
    await raw.flushall();
    await makeOrg(one, 'zzz');
    await isPublished('abc');
    await expect.poll(users, SOON).toContain('voiceoi-zzz');
    await expect.poll(waiting, SOON).toBe(0);
  });

  test('an organization whose nodes have asked for the bus leaves nothing behind when it is deleted', async () => {
    await makeOrg(one, 'asked');
    await busOf(one, 'asked');
    await isPublished('asked');
    await one.api('DELETE', '/api/orgs/asked');
    await expect.poll(() => raw.keys('voiceoi:{asked}*'), SOON).toEqual([]);
    await expect.poll(users, SOON).not.toContain('voiceoi-asked');
  });

  test('an organization that was deleted by a master that is gone is cleaned up, and strangers are left alone', async () => {
    const { epoch = '' } = await head('abc');
    await raw.acl('SETUSER', 'voiceoi-gone', 'on', '>x');
    await raw.hset('voiceoi:{gone}:head', { epoch, revision: 3 });
    await raw.acl('SETUSER', 'voiceoi-stranger', 'on', '>x');
    await raw.hset('voiceoi:{stranger}:head', { epoch: 'of another installation', revision: 3 });
    await raw.acl('SETUSER', 'voiceoi-master', 'on', '>x');
    await expect.poll(users, SOON).not.toContain('voiceoi-gone');
    await expect.poll(() => raw.keys('voiceoi:{gone}*'), SOON).toEqual([]);
    expect(await users()).toEqual(expect.arrayContaining(['voiceoi-stranger', 'voiceoi-master']));
    expect(await raw.keys('voiceoi:{stranger}*')).toHaveLength(1);
  });

  test('an organization that is called as the master’s own user does not put the master out', async () => {
    await makeOrg(one, 'own');
    await busOf(one, 'own');
    await makeOrg(one, 'after-own');
    await expect.poll(users, SOON).toContain('voiceoi-after-own');
    expect((await raw.acl('LIST')).find((line) => line.includes('voiceoi-own'))).toMatch(/~\* .*\+@all/);
    await one.api('DELETE', '/api/orgs/own');
    await rename(one, 'abc', 'still there');
    await isPublished('abc');
  });

  test('an organization of a name that there was before does not inherit its history', async () => {
    await makeOrg(one, 'again');
    for (const name of ['a', 'b', 'c']) await rename(one, 'again', name);
    await isPublished('again');
    await one.api('DELETE', '/api/orgs/again');
    await makeOrg(one, 'again');
    await isPublished('again');
    // What is left of the old one is behind everything that a node of the new one may have.
    const { rows } = await one.database.query<{ revision: number; sha256: string }>(
      "SELECT revision, sha256 FROM change_log WHERE org_id = 'again' ORDER BY revision",
    );
    const [first] = rows;
    const changes = (await history('again')).map((text) => JSON.parse(text));
    const own = changes.filter(({ to }) => first && to >= first.revision);
    expect(own.map(({ to, sha256 }) => ({ revision: to, sha256 }))).toEqual(rows);
    expect(own.every(({ kid }) => kid === '2')).toBe(true);
  });

  test('a change of more than 64 KiB is announced, and one that comes behind it is not held up', async () => {
    await one.master.revisions.change({ orgId: 'abc', actor: 'test' }, async (tx) => {
      const long = "jsonb_build_object('long', repeat('x', 70000))";
      await tx.query(`UPDATE campaign SET variables = ${long}, updated_at = now() WHERE org_id = 'abc'`);
    });
    await rename(one, 'abc', 'behind it');
    await isPublished('abc');
    const texts = await history('abc');
    expect(texts.map((text) => JSON.parse(text).hint === true)).toContain(true);
    expect(Math.max(...texts.map((text) => Buffer.byteLength(text)))).toBeLessThanOrEqual(64 * 1024);
  });

  test('many long changes that waited go in steps, and all of them', async () => {
    await redis.kill();
    for (let at = 0; at < 30; at++)
      await one.master.revisions.change({ orgId: 'abc', actor: 'test' }, async (tx) => {
        const long = `jsonb_build_object('long', repeat('${at % 10}', 60000))`;
        await tx.query(`UPDATE campaign SET variables = ${long}, updated_at = now() WHERE org_id = 'abc'`);
      });
    await redis.restart();
    raw = redis.client();
    await isPublished('abc');
    await expect.poll(waiting, SOON).toBe(0);
    const last = await revisionOf(one, 'abc');
    const revisions = (await history('abc')).map((text) => JSON.parse(text).to);
    expect(revisions.slice(-30)).toEqual(Array.from({ length: 30 }, (_, at) => last - 29 + at));
  });

  test('more than 200 changes that waited are given up but for the last 200, and the history says nothing false', async () => {
    await redis.kill();
    const before = await revisionOf(one, 'abc');
    for (let at = 0; at < 230; at++) await rename(one, 'abc', `waiting ${at}`);
    await redis.restart();
    raw = redis.client();
    await isPublished('abc');
    const revisions = (await history('abc')).map((text) => JSON.parse(text).to);
    const last = before + 230;
    expect(revisions.slice(-200)).toEqual(Array.from({ length: 200 }, (_, at) => last - 199 + at));
    await expect.poll(waiting, SOON).toBe(0);
  });

  test('a new epoch while masters run is in the head of each organization, and the old epoch’s history goes', async () => {
    const { epoch: old } = await head('abc');
    const revision = await revisionOf(one, 'abc');
    await one.database.query("UPDATE instance SET epoch = 'the-next-one'");
    await expect.poll(() => head('abc'), SOON).toMatchObject({ epoch: 'the-next-one', revision: String(revision) });
    expect(await raw.exists(`voiceoi:{abc}:history:${old}`)).toBe(0);
    await rename(one, 'abc', 'in the new epoch');
    await expect.poll(() => history('abc'), SOON).toHaveLength(1);
    expect(await head('abc')).toMatchObject({ revision: String(revision + 1) });
    expect((await head('abc'))['sha256']).toMatch(/^[0-9a-f]{64}$/);
  });
});
