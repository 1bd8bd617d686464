import type { RedisConnections } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { busOf, makeOrg, nodeConnections, rename, revisionOf, SOON } from '../../../test/services/bus-operations.ts';
import { redisSkipReason } from '../../../test/services/redis.ts';
import { type RedisCluster, startRedisCluster } from '../../../test/services/redis-cluster.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

const skip = redisSkipReason();
if (skip && process.env['CI']) throw new Error(skip);

/** In three slots apart from each other. */
const ORGS = ['abc', 'b', 'c', 'd', 'e', 'f'];

describe.skipIf(skip)('the event bus on a Redis Cluster', () => {
  let cluster: RedisCluster;
  let one: TestMaster;
  const opened = new Set<RedisConnections>();

  const asNode = async (org: string): Promise<RedisConnections> => {
    const node = await nodeConnections(one, org);
    opened.add(node);
    return node;
  };
  const hears = async (org: string): Promise<{ readonly node: RedisConnections; readonly heard: number[] }> => {
    const node = await asNode(org);
    const heard: number[] = [];
    node.messages.on('message', (_channel, text) => heard.push(JSON.parse(text).to));
    await node.messages.subscribe(`voiceoi:{${org}}:changes`);
    return { node, heard };
  };

  beforeAll(async () => {
    cluster = await startRedisCluster();
    const servers = cluster.servers.map(({ host, port }) => ({ host, port }));
    const [first] = servers;
    if (!first) throw new Error('a cluster has servers');
    one = await startTestMaster({ postgres: true, redis: { ...first, tls: false, cluster: servers } });
    for (const org of ORGS) await makeOrg(one, org);
  });
  afterAll(async () => {
    for (const node of opened) node.close();
    await one?.stop();
    await cluster?.stop();
  });

  test('organizations are on all of its servers, and every server has every user', async () => {
    const owners = await Promise.all(ORGS.map(cluster.serverOf));
    expect(new Set(owners).size).toBe(3);
    for (const server of cluster.servers) {
      const raw = server.client();
      await expect
        .poll(() => raw.acl('USERS'), SOON)
        .toEqual(expect.arrayContaining(ORGS.map((id) => `voiceoi-${id}`)));
    }
  });

  test.each(ORGS)(
    'a commit of organization %s is heard, and its head and history are read, whatever server has them',
    async (org) => {
      const { node, heard } = await hears(org);
      await rename(one, org, 'Renamed');
      const revision = await revisionOf(one, org);
      await expect.poll(() => heard.at(-1), SOON).toBe(revision);
      const [epoch, at] = await node.commands.hmget(`voiceoi:{${org}}:head`, 'epoch', 'revision');
      expect(at).toBe(String(revision));
      const entries = await node.commands.xrange(`voiceoi:{${org}}:history:${epoch}`, '-', '+');
      expect(entries.map(([id]) => id)).toEqual(Array.from({ length: revision }, (_, index) => `${index + 1}-0`));
    },
  );

  test('a server that is away keeps nothing of other servers’ organizations, old or new, from their nodes', async () => {
    const lost = await cluster.serverOf('abc');
    const others: string[] = [];
    for (const org of ORGS) if ((await cluster.serverOf(org)) !== lost) others.push(org);
    const [old = ''] = others;
    await lost.kill();
    await rename(one, 'abc', 'cannot be published now');

    // As many as not to begin all with a server that is there.
    const nodes = await Promise.all(Array.from({ length: 6 }, () => hears(old)));
    await rename(one, old, 'Renamed again');
    const revision = await revisionOf(one, old);
    for (const { heard } of nodes) await expect.poll(() => heard.at(-1), SOON).toBe(revision);

    let fresh = 'new-0';
    for (let at = 1; (await cluster.serverOf(fresh)) === lost; at++) fresh = `new-${at}`;
    await makeOrg(one, fresh);
    const { node, heard: news } = await hears(fresh);
    await rename(one, fresh, 'Renamed');
    const at = await revisionOf(one, fresh);
    await expect.poll(() => news.at(-1), SOON).toBe(at);
    expect(await node.commands.hmget(`voiceoi:{${fresh}}:head`, 'revision')).toEqual([String(at)]);
  });

  test('a server that is back, empty, has all users again, and heads and histories of its own organizations', async () => {
    const lost = await cluster.serverOf('abc');
    await lost.restart();
    const raw = lost.client();
    await expect
      .poll(() => raw.acl('USERS').catch(() => []), SOON)
      .toEqual(expect.arrayContaining(ORGS.map((id) => `voiceoi-${id}`)));
    const revision = await revisionOf(one, 'abc');
    await expect.poll(() => raw.hget('voiceoi:{abc}:head', 'revision').catch(String), SOON).toBe(String(revision));
    const { heard } = await hears('abc');
    await rename(one, 'abc', 'Renamed again');
    await expect.poll(() => heard.at(-1), SOON).toBe(revision + 1);
    expect((await busOf(one, 'abc')).cluster).toHaveLength(3);
  });
});
