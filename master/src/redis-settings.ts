import {
  flag,
  hostPort,
  list,
  port,
  type RedisAddress,
  type RedisServer,
  type SettingsProblem,
  secret,
  settingsProblem,
  text,
  type Values,
} from '@voiceoi/kernel';

const servers = () => list((item) => hostPort().parse(item));

/** Where Redis is (contract.md, Configuration). */
export const REDIS_VARIABLES = {
  REDIS_HOST: text().about('host of Redis; without it nodes are fed over HTTP alone'),
  REDIS_PORT: port(6379).about('its port'),
  REDIS_USERNAME: text().about('its user, which may make other users (ACL)'),
  REDIS_PASSWORD: secret().about('the user’s password'),
  REDIS_TLS: flag(false).about('connect with TLS'),
  REDIS_PUBLIC_HOST: text().about('host of Redis as nodes reach it; REDIS_HOST without it'),
  REDIS_PUBLIC_PORT: port().about('port of Redis as nodes reach it; REDIS_PORT without it'),
  REDIS_CLUSTER_NODES: servers().about('host:port,… of a Redis Cluster, instead of REDIS_HOST'),
  REDIS_SENTINELS: servers().about('host:port,… of Redis Sentinels, instead of REDIS_HOST'),
  REDIS_MASTER_NAME: text('mymaster').about('what the Sentinels call their master'),
};

type RedisSettings = Values<typeof REDIS_VARIABLES>;

/** Redis as the master and as nodes reach it; undefined: there is none. */
export function redisOf(
  settings: RedisSettings,
): { readonly own: RedisAddress; readonly forNodes: RedisAddress } | undefined {
  const own = redisAddress(settings);
  return own && { own, forNodes: publicAddress(settings, own) };
}

function redisAddress(settings: RedisSettings): RedisAddress | undefined {
  const { REDIS_HOST: host, REDIS_PORT, REDIS_USERNAME: username, REDIS_PASSWORD: password, REDIS_TLS: tls } = settings;
  const cluster = settings.REDIS_CLUSTER_NODES.map(serverOf);
  const sentinels = settings.REDIS_SENTINELS.map(serverOf);
  const first = host === undefined ? (cluster[0] ?? sentinels[0]) : { host, port: REDIS_PORT };
  if (!first) return undefined;
  return {
    ...first,
    tls,
    username,
    password,
    ...(cluster.length > 0 && { cluster }),
    ...(sentinels.length > 0 && { sentinels, master_name: settings.REDIS_MASTER_NAME }),
  };
}

/** A public address is one address, whatever is behind it. */
function publicAddress(settings: RedisSettings, own: RedisAddress): RedisAddress {
  const { REDIS_PUBLIC_HOST: host, REDIS_PUBLIC_PORT: publicPort } = settings;
  if (host === undefined && publicPort === undefined) return own;
  return { host: host ?? own.host, port: publicPort ?? own.port, tls: own.tls };
}

/** What no single setting can tell. */
export function checkRedisSettings(settings: Partial<RedisSettings>): readonly SettingsProblem[] {
  const named = (['REDIS_HOST', 'REDIS_CLUSTER_NODES', 'REDIS_SENTINELS'] as const).filter(
    (name) => settings[name]?.length,
  );
  const [first, second] = named;
  if (!first || !second) return [];
  return [settingsProblem(second, `and ${first} are both set: Redis is one server, a cluster or behind Sentinels`)];
}

function serverOf(hostAndPort: string): RedisServer {
  const at = hostAndPort.lastIndexOf(':');
  return { host: hostAndPort.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(hostAndPort.slice(at + 1)) };
}
