import type { Change } from '@voiceoi/contracts';
import { openRedis, parseOrgKey, type Redis, verifyChange } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as operations from '../../../test/services/bus-operations.ts';
import { SOON } from '../../../test/services/bus-operations.ts';
import { type RedisService, redisSkipReason, startRedis } from '../../../test/services/redis.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import type { Master } from '../master.ts';

const skip = redisSkipReason();
if (skip && process.env['CI']) throw new Error(skip);

let redis: RedisService;
let one: TestMaster;
let raw: Redis;
let second: Master;

const makeOrg = (id: string) => operations.makeOrg(one, id);
const rename = (org: string, name: string) => operations.rename(one, org, name);
const revisionOf = (org: string) => operations.revisionOf(one, org);
const bus = (org: string) => operations.busOf(one, org);
/** Redis as a node of an organization reaches it. */
const asNode = (org: string) => operations.nodeConnections(one, org);
const head = (org: string) => raw.hgetall(`voiceoi:{${org}}:head`);
const history = async (org: string): Promise<readonly Change[]> => {
  const { epoch } = await head(org);
  const entries = await raw.xrange(`voiceoi:{${org}}:history:${epoch}`, '-', '+');
  return entries.map(([, fields]) => JSON.parse(fields[1] ?? ''));
};

describe.skipIf(skip)('the event bus', () => {
  beforeAll(async () => {
    redis = await startRedis();
    raw = redis.client();
    one = await startTestMaster({ postgres: true, redis: { host: redis.host, port: redis.port, tls: false } });
    second = await one.another();
    await makeOrg('abc');
    await makeOrg('other');
  });
  afterAll(async () => {
    await one?.stop();
    await redis?.stop();
  });

  test('a commit is on the channel, in the history and in the head, signed by the organization’s key', async () => {
    const node = await asNode('abc');
    const heard: Change[] = [];
    node.messages.on('message', (_channel, text) => heard.push(JSON.parse(text)));
    await node.messages.subscribe('voiceoi:{abc}:changes');
    await rename('abc', 'Renamed');
    const revision = await revisionOf('abc');
    await expect.poll(() => heard.at(-1)?.to, SOON).toBe(revision);
    const key = parseOrgKey(one.key('abc'));
    expect(key && heard[0] && verifyChange(key, heard[0])).toBe(true);
    expect(await head('abc')).toMatchObject({ revision: String(revision), sha256: heard.at(-1)?.sha256 });
    expect((await history('abc')).map(({ to }) => to)).toEqual(Array.from({ length: revision }, (_, at) => at + 1));
    node.close();
  });

  test('an organization’s user reads its own head, history and channel, and nothing else, and writes nothing', async () => {
    const { commands, messages, close } = await asNode('abc');
    const { epoch } = await head('abc');
    expect(await commands.hmget('voiceoi:{abc}:head', 'epoch')).toEqual([epoch]);
    expect(await commands.xrange(`voiceoi:{abc}:history:${epoch}`, '-', '+', 'COUNT', 1)).toHaveLength(1);
    const refused: readonly (readonly [string, ...(string | number)[]])[] = [
      ['hmget', 'voiceoi:{other}:head', 'epoch'],
      ['xrange', `voiceoi:{other}:history:${epoch}`, '-', '+'],
      ['subscribe', 'voiceoi:{other}:changes'],
      ['psubscribe', '*'],
      ['publish', 'voiceoi:{abc}:changes', 'x'],
      ['hset', 'voiceoi:{abc}:head', 'revision', '99'],
      ['xadd', `voiceoi:{abc}:history:${epoch}`, '*', 'change', 'x'],
      ['del', 'voiceoi:{abc}:head'],
      ['keys', '*'],
      ['scan', 0],
      ['info'],
      ['acl', 'LIST'],
      ['config', 'GET', '*'],
      ['client', 'LIST'],
      ['monitor'],
      ['flushall'],
      ['eval', 'return 1', 0],
    ];
    for (const [name, ...words] of refused)
      await expect(messages.call(name, ...words), `${name} ${words.join(' ')}`).rejects.toThrow(/NOPERM/);
    close();
  });

  test('two masters that commit at once publish every revision, in order, without a hole', async () => {
    const node = await asNode('abc');
    const heard: number[] = [];
    node.messages.on('message', (_channel, text) => heard.push(JSON.parse(text).to));
    await node.messages.subscribe('voiceoi:{abc}:changes');
    const before = await revisionOf('abc');
    const change = (master: Master, name: string) =>
      master.revisions.change({ orgId: 'abc', actor: 'test' }, async (tx) => {
        await tx.query("UPDATE campaign SET name = $1, updated_at = now() WHERE org_id = 'abc'", [name]);
      });
    await Promise.all(Array.from({ length: 60 }, (_, at) => change(at % 2 ? second : one.master, `name ${at}`)));
    const after = await revisionOf('abc');
    expect(after).toBe(before + 60);
    await expect.poll(() => heard.includes(after), SOON).toBe(true);
    const first = [...new Set(heard)];
    expect(first).toEqual(Array.from({ length: 60 }, (_, at) => before + 1 + at));
    node.close();
  });

  test('a key that is revoked takes its password and its connections with it', async () => {
    await makeOrg('rotating');
    await one.database.query("INSERT INTO organization_key (org_id, generation) VALUES ('rotating', 2)");
    const old = await bus('rotating');
    const node = await asNode('rotating');
    const closed = new Promise((resolve) => node.messages.once('close', resolve));
    await one.database.query(
      "UPDATE organization_key SET revoked_at = now() WHERE org_id = 'rotating' AND generation = 2",
    );
    await closed;
    node.close();
    expect((await bus('rotating')).password).not.toBe(old.password);
    const again = openRedis(old, 'revoked');
    const refusal = await new Promise<Error>((resolve) => again.messages.on('error', resolve));
    expect(refusal.message).toMatch(/WRONGPASS/);
    again.close();
  });

  test('a key that is revoked or rotated through the API changes who is let in before the answer', async () => {
    await makeOrg('at-once');
    const old = await bus('at-once');
    await one.api('POST', '/api/orgs/at-once/keys/rotate');
    // Both let in during the overlap.
    const passwords = async () => Object(await raw.acl('GETUSER', 'voiceoi-at-once'))[3] as string[];
    expect(await passwords()).toHaveLength(2);
    const node = openRedis(old, 'old-node');
    await new Promise((resolve) => node.messages.once('ready', resolve));
    const closed = new Promise((resolve) => node.messages.once('close', resolve));
    expect((await one.api('DELETE', '/api/orgs/at-once/keys/1')).status).toBe(204);
    expect(await passwords()).toHaveLength(1);
    await closed;
    node.close();
  });

  test('a secret is published sealed, and its value is nowhere in Redis', async () => {
    await makeOrg('sealed');
    await one.api('PUT', '/api/orgs/sealed/secrets/token', { value: 'the-very-secret' });
    const revision = await revisionOf('sealed');
    await expect.poll(async () => (await head('sealed'))['revision'], SOON).toBe(String(revision));
    const last = (await history('sealed')).at(-1);
    expect(last?.changes).toMatchObject([
      {
        op: 'put',
        kind: 'secret',
        id: 'token',
        object: { name: 'token', version: 1, sealed: { 1: expect.any(String) } },
      },
    ]);
    expect(JSON.stringify(await history('sealed'))).not.toContain('the-very-secret');
  });

  test('an organization that is deleted leaves no user and no keys', async () => {
    await makeOrg('short');
    await expect.poll(async () => (await head('short'))['revision'], SOON).toBeDefined();
    await expect.poll(() => raw.acl('USERS'), SOON).toContain('voiceoi-short');
    await one.api('DELETE', '/api/orgs/short');
    await expect.poll(() => raw.acl('USERS'), SOON).not.toContain('voiceoi-short');
    await expect.poll(() => raw.keys('voiceoi:{short}*'), SOON).toEqual([]);
  });

  test('a Redis that was emptied is filled again: head, history, users', async () => {
    const revision = await revisionOf('abc');
    await expect.poll(async () => (await head('abc'))['revision'], SOON).toBe(String(revision));
    await raw.flushall();
    await expect.poll(async () => (await head('abc'))['revision'], SOON).toBe(String(revision));
    expect((await history('abc')).at(-1)?.to).toBe(revision);
    expect((await history('abc')).length).toBe(Math.min(200, revision));
  });

  test('what is committed while Redis is away is published when it is back, after the history', async () => {
    await redis.kill();
    await rename('abc', 'while Redis was away');
    const revision = await revisionOf('abc');
    await redis.restart();
    raw = redis.client();
    await expect.poll(async () => (await head('abc'))['revision'], SOON).toBe(String(revision));
    const revisions = (await history('abc')).map(({ to }) => to);
    expect(revisions).toEqual(
      Array.from({ length: revisions.length }, (_, at) => revision - revisions.length + 1 + at),
    );
    expect(revisions.length).toBeGreaterThan(1);
    const node = await asNode('abc');
    expect(await node.commands.hmget('voiceoi:{abc}:head', 'revision')).toEqual([String(revision)]);
    node.close();
  });
});
