import { freePort } from './free-port.ts';
import { type RedisService, startRedis } from './redis.ts';

/** A Redis Cluster of three masters without replicas, on loopback. */
export interface RedisCluster {
  readonly servers: readonly RedisService[];
  /** The server that has an organization's keys. */
  serverOf(orgId: string): Promise<RedisService>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;

export async function startRedisCluster(): Promise<RedisCluster> {
  const servers = await Promise.all([0, 1, 2].map(startMember));
  await join(servers);
  return {
    servers,
    serverOf: async (orgId) => {
      for (const server of servers) {
        const client = server.client();
        const slot = Number(await client.cluster('KEYSLOT', `{${orgId}}`).catch(() => -1));
        client.disconnect();
        const index = Math.floor((slot * servers.length) / SLOTS);
        const owner = slot < 0 ? undefined : servers[index];
        if (owner) return owner;
      }
      throw new Error('no server of the cluster answers');
    },
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  };
}

async function startMember(): Promise<RedisService> {
  return startRedis([
    '--cluster-enabled',
    'yes',
    '--cluster-port',
    String(await freePort()),
    '--cluster-node-timeout',
    '1000',
    // One that is away does not take the slots of others with it.
    '--cluster-require-full-coverage',
    'no',
  ]);
}

/** Gives each server its share of the slots and makes them known to each other. */
async function join(servers: readonly RedisService[]): Promise<void> {
  const clients = servers.map((server) => server.client());
  const [first] = clients;
  for (const [index, client] of clients.entries()) {
    const from = Math.ceil((index * SLOTS) / servers.length);
    const to = Math.ceil(((index + 1) * SLOTS) / servers.length) - 1;
    await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    const { host, port } = servers[index] ?? { host: '', port: 0 };
    const busPort = Number((await client.config('GET', 'cluster-port'))[1]);
    if (index > 0) await first?.call('CLUSTER', 'MEET', host, port, busPort);
  }
  for (const client of clients) await untilItIsWhole(client);
  for (const client of clients) client.disconnect();
}

async function untilItIsWhole(client: { cluster(word: 'INFO'): Promise<unknown> }): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const info = String(await client.cluster('INFO'));
    if (info.includes('cluster_state:ok') && info.includes('cluster_slots_ok:16384')) return;
    if (Date.now() > deadline) throw new Error(`the cluster does not come together:\n${info}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
