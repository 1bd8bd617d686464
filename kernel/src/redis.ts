import { Cluster, Redis } from 'ioredis';

export type { Cluster, Redis } from 'ioredis';

/** A server of Redis. */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is, and who we are there. One server, a cluster's, or the sentinels that know it. */
export interface RedisAddress extends RedisServer {
  readonly tls: boolean;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly cluster?: readonly RedisServer[] | undefined;
  readonly sentinels?: readonly RedisServer[] | undefined;
  readonly master_name?: string | undefined;
}

/**
 * Connections to Redis. `commands` reads and writes; `messages` is for Pub/Sub, the same connection where there is one server (RESP3). Neither waits for
 * a server that is away: a command then fails at once, and `ready` is emitted whenever the connection is there again.
 */
export interface RedisConnections {
  readonly commands: Redis | Cluster;
  readonly messages: Redis;
  close(): void;
}

export type OpenRedis = (address: RedisAddress, name: string) => RedisConnections;

/** A half-open connection says nothing and is never noticed by itself: it is asked this often … */
const PING_MS = 5_000;
/** … and is given up when no answer comes. */
const SILENCE_MS = 8_000;

/** Opens connections; `name` is what Redis shows of them. Errors of a connection are the retries' business, and are not thrown. */
export const openRedis: OpenRedis = (address, name) => {
  const options = optionsOf(address, name);
  const messages = openMessages(address, options);
  const commands = address.cluster ? openCluster(address.cluster, options) : messages;
  for (const client of new Set([messages, commands])) client.on('error', () => {});
  const pings = setInterval(() => {
    if (messages.status === 'ready') messages.ping().catch(() => {});
  }, PING_MS);
  return {
    commands,
    messages,
    close: () => {
      clearInterval(pings);
      messages.disconnect();
      if (commands !== messages) commands.disconnect();
    },
  };
};

function optionsOf({ tls, username, password }: RedisAddress, name: string) {
  return {
    connectionName: name,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
    connectTimeout: 5_000,
    commandTimeout: 5_000,
    socketTimeout: SILENCE_MS,
    enableOfflineQueue: false,
    // The check reads INFO, which tells of other organizations' keys: nodes may not.
    enableReadyCheck: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
    retryStrategy: (times: number) => Math.min(100 * 2 ** Math.min(times, 7), 5_000) * (0.5 + Math.random() / 2),
    // A master that was made a replica behind the same address: what is there now is found by connecting anew.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  };
}

function openMessages(address: RedisAddress, options: ReturnType<typeof optionsOf>): Redis {
  const { sentinels, master_name, cluster } = address;
  if (sentinels) return openBehindSentinels(sentinels, master_name ?? 'mymaster', options);
  return cluster ? openAnyOf(cluster, options) : new Redis({ ...options, ...plain(address) });
}

function openBehindSentinels(
  sentinels: readonly RedisServer[],
  name: string,
  options: ReturnType<typeof optionsOf>,
): Redis {
  return new Redis({
    ...options,
    sentinels: sentinels.map(plain),
    name,
    sentinelCommandTimeout: options.commandTimeout,
    // Without these `tls` is passed over, and passwords go in the clear.
    ...(options.tls && { enableTLSForSentinelMode: true, sentinelTLS: options.tls }),
  });
}

/**
 * A cluster passes messages on to all of its servers, so any of them will do; where to begin is chosen so that clients spread. One that is away must
 * not keep us, so each try is with the next.
 */
function openAnyOf(servers: readonly RedisServer[], options: ReturnType<typeof optionsOf>): Redis {
  let at = Math.floor(Math.random() * servers.length);
  const next = (): RedisServer => servers[at++ % servers.length] ?? { host: '', port: 0 };
  const client = new Redis({ ...options, ...plain(next()) });
  client.on('reconnecting', () => void Object.assign(client.options, plain(next())));
  return client;
}

function openCluster(servers: readonly RedisServer[], options: ReturnType<typeof optionsOf>): Cluster {
  const { enableOfflineQueue, retryStrategy, ...redisOptions } = options;
  return new Cluster(servers.map(plain), {
    enableOfflineQueue,
    enableReadyCheck: false,
    clusterRetryStrategy: retryStrategy,
    redisOptions,
    // The name that a certificate has must not be looked up before it was compared.
    ...(options.tls && { dnsLookup: (host: string, found: DnsFound) => found(null, host) }),
  });
}

type DnsFound = (error: NodeJS.ErrnoException | null, address: string) => void;

function plain({ host, port }: RedisServer): { host: string; port: number } {
  return { host, port };
}
