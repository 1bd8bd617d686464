import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';

/** A Redis of one test, on loopback. */
export interface RedisService {
  readonly host: string;
  readonly port: number;
  /** A connection of the test's own, which may do everything; made anew after a restart. */
  client(): Redis;
  /** Ends the server at once, as a power cut would; nothing of what it held is left. */
  kill(): Promise<void>;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Redis 7 or later: users that may read and not write, and RESP3. */
const OLDEST = 7;

let found: string | undefined;

/** Why no Redis can be had here; undefined when one can. */
export function redisSkipReason(): string | undefined {
  found ??= versionOfServer();
  if (Number.parseInt(found, 10) >= OLDEST) return undefined;
  return `no redis-server of version ${OLDEST} or later: install Debian's redis-server`;
}

function versionOfServer(): string {
  try {
    return /v=([0-9.]+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? '0';
  } catch {
    return '0';
  }
}

/** Starts a server without a file of its own. `words` are further arguments of redis-server. */
export async function startRedis(words: readonly string[] = []): Promise<RedisService> {
  const reason = redisSkipReason();
  if (reason) throw new Error(reason);
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'voiceoi-redis-'));
  const clients = new Set<Redis>();
  let server: ChildProcess;
  const start = async (): Promise<void> => {
    const settings = [
      '--bind',
      '127.0.0.1',
      '--port',
      String(port),
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      folder,
    ];
    server = spawn('redis-server', [...settings, ...words], { stdio: 'ignore' });
    await untilItAnswers(port, server);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    for (const client of clients) client.disconnect();
    clients.clear();
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill(signal);
    await ended;
  };
  await start();
  return {
    host: '127.0.0.1',
    port,
    client: () => {
      const client = new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: 1 });
      client.on('error', () => {});
      clients.add(client);
      return client;
    },
    kill: () => end('SIGKILL'),
    restart: start,
    stop: async () => {
      await end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function untilItAnswers(port: number, server: ChildProcess): Promise<void> {
  const client = new Redis({ host: '127.0.0.1', port, lazyConnect: true, retryStrategy: () => 50 });
  client.on('error', () => {});
  const failed = new Promise<never>((_resolve, reject) =>
    server.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`))),
  );
  try {
    await Promise.race([client.ping(), failed]);
  } finally {
    client.disconnect();
  }
}
