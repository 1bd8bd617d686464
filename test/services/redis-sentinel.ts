import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { type RedisService, startRedis } from './redis.ts';

/** A Redis behind Sentinels, on loopback: one master, one replica. */
export interface RedisSentinels {
  /** Where the Sentinels are. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  readonly masterName: string;
  readonly servers: readonly [RedisService, RedisService];
  /** The server that the Sentinels call the master now. */
  master(): Promise<RedisService>;
  stop(): Promise<void>;
}

export const MASTER_NAME = 'voices';
const HOST = '127.0.0.1';

/** Starts them; resolves when a failover could be made. */
export async function startRedisSentinels(count = 1): Promise<RedisSentinels> {
  const first = await startRedis();
  const second = await startRedis(['--replicaof', `${HOST} ${first.port}`, '--repl-diskless-sync-delay', '0']);
  const folder = mkdtempSync(join(tmpdir(), 'voiceoi-sentinel-'));
  const sentinels = await Promise.all(
    Array.from({ length: count }, () => startSentinel(folder, first.port, Math.floor(count / 2) + 1)),
  );
  const addresses = sentinels.map(({ port }) => ({ host: HOST, port }));
  const ask = async (...words: readonly string[]): Promise<unknown> => {
    const client = new Redis({ host: HOST, port: addresses[0]?.port ?? 0, retryStrategy: () => 50 });
    client.on('error', () => {});
    try {
      return await client.call('SENTINEL', ...words);
    } finally {
      client.disconnect();
    }
  };
  await until(async () => /slave/.test(String(await ask('REPLICAS', MASTER_NAME))) && (await isInStep(second)));
  if (count > 1) await until(async () => String(await ask('CKQUORUM', MASTER_NAME)).startsWith('OK'));
  return {
    addresses,
    masterName: MASTER_NAME,
    servers: [first, second],
    master: async () => {
      const [, port] = (await ask('GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as [string, string];
      return Number(port) === first.port ? first : second;
    },
    stop: async () => {
      for (const { process: sentinel } of sentinels) sentinel.kill('SIGKILL');
      await Promise.all([first.stop(), second.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts one Sentinel; with settings of `tls` in the lines of its file it listens with TLS alone. */
export async function startSentinel(
  folder: string,
  masterPort: number,
  quorum: number,
  tls: readonly string[] = [],
): Promise<{ readonly port: number; readonly process: ChildProcess }> {
  const port = await freePort();
  const file = join(folder, `sentinel-${port}.conf`);
  const lines = [
    ...(tls.length > 0 ? [`port 0`, `tls-port ${port}`, ...tls] : [`port ${port}`]),
    `bind ${HOST}`,
    `dir ${folder}`,
    `sentinel monitor ${MASTER_NAME} ${HOST} ${masterPort} ${quorum}`,
    `sentinel down-after-milliseconds ${MASTER_NAME} 1000`,
    `sentinel failover-timeout ${MASTER_NAME} 5000`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return { port, process: spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' }) };
}

async function isInStep(replica: RedisService): Promise<boolean> {
  const client = replica.client();
  const info = await client.info('replication');
  client.disconnect();
  return info.includes('master_link_status:up');
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > deadline) throw new Error('the Sentinels do not come together');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
