import type { Bus } from '@voiceoi/contracts';
import type { Logger, Metrics, OrgKey, RedisAddress, RedisConnections } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import type { Head, SecretSource } from '../sync/index.ts';
import { passwordsOf } from './access.ts';
import { userOf } from './names.ts';
import { createPublisher } from './publisher.ts';
import { redisBus } from './redis-bus.ts';
import { createUsers } from './users.ts';

/** The event bus: configuration that reaches nodes in milliseconds. */
export interface EventBus {
  /** Where an organization's nodes are to listen, with what they need to get in. */
  busOf(orgId: string): Promise<Bus>;
  /** A change of the organization was committed. */
  wake(orgId: string): void;
  /** Says a signed message, as text, to an organization's nodes, if Redis is there. */
  announce(orgId: string, text: string): void;
  /** The organization's keys are others: what its nodes may do in Redis follows. Never rejects. */
  keysChanged(orgId: string): Promise<void>;
  stop(): Promise<void>;
}

interface BusOptions {
  readonly database: Database;
  readonly connections: RedisConnections;
  /** Where nodes find Redis. */
  readonly address: RedisAddress;
  /** Good keys of an organization, the newest first. */
  readonly goodKeys: (orgId: string) => Promise<readonly OrgKey[]>;
  readonly secrets: SecretSource;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Users and heads are compared with the database this often: what a Redis has lost is back within this time. 10,000 by default. */
  readonly lookMs?: number | undefined;
}

const LOOK_MS = 10_000;
/** So that thousands of organizations do not wait in Redis at once; a refill holds a connection to the database meanwhile. */
const GRANTS_AT_ONCE = 50;
const HEADS_AT_ONCE = 500;
const REFILLS_AT_ONCE = 4;
const NOT_COMPARED = 'Redis cannot be compared with the database now';

const ALL = `SELECT o.id, i.epoch, o.revision,
  (SELECT coalesce(string_agg(k.generation::text, ',' ORDER BY k.generation), '') FROM organization_key k
    WHERE k.org_id = o.id AND k.revoked_at IS NULL AND (k.not_after IS NULL OR k.not_after > now())) AS generations
FROM organization o CROSS JOIN instance i`;

interface Row extends Head {
  readonly id: string;
  readonly generations: string;
}

export function startBus(options: BusOptions): EventBus {
  const { database, connections, address, goodKeys, log, metrics } = options;
  const bus = redisBus(connections);
  const publisher = createPublisher({ ...options, bus });
  const users = createUsers(bus, goodKeys);
  let looking: Promise<void> | undefined;
  let isStopped = false;
  const up = metrics.gauge('voiceoi_bus_up', 'Whether the event bus (Redis) is connected: 1 or 0', []);
  Object.assign(up, { collect: () => up.set(bus.isUp() ? 1 : 0) });

  /** One organization's trouble, as with a server of a cluster that is away, must not be that of the others. */
  const forEach = async <T>(values: readonly T[], atOnce: number, work: (value: T) => Promise<void>): Promise<void> => {
    const failures = await settle(values, atOnce, async (value) => {
      if (!isStopped) await work(value);
    });
    if (failures.length > 0) log.warn({ err: failures[0], organizations: failures.length }, NOT_COMPARED);
  };
  const isBehind = ({ epoch, revision }: Head, head: Head | undefined): boolean =>
    revision > 0 && (head?.epoch !== epoch || head.revision !== revision);
  const compare = async (rows: readonly Row[]): Promise<void> => {
    const behind: string[] = [];
    await forEach(rows, GRANTS_AT_ONCE, ({ id, generations }) => users.grant(id, generations));
    await forEach(rows, HEADS_AT_ONCE, async (row) => {
      if (isBehind(row, await bus.head(row.id))) behind.push(row.id);
    });
    await forEach(behind, REFILLS_AT_ONCE, publisher.refill);
  };
  const clean = async (orgId: string, epoch: string | undefined): Promise<void> => {
    // Another installation may have users here too: it has another epoch.
    if (!users.has(orgId) && (await bus.head(orgId))?.epoch !== epoch) return;
    await users.forget(orgId);
    await bus.forget(orgId);
  };
  const look = async (): Promise<void> => {
    if (isStopped || !bus.isUp()) return;
    // Before the database is read: who is made meanwhile is not taken for one who is gone.
    const known = await users.look();
    const { rows: instance } = await database.query<{ epoch: string }>('SELECT epoch FROM instance');
    const { rows } = await database.query<Row>(ALL);
    await compare(rows);
    const there = new Set(rows.map(({ id }) => id));
    const gone = [...known].filter((orgId) => !there.has(orgId));
    await forEach(gone, GRANTS_AT_ONCE, (orgId) => clean(orgId, instance[0]?.epoch));
  };
  const lookOnce = (): Promise<void> => {
    looking ??= look()
      .catch((error: unknown) => log.warn({ err: error }, NOT_COMPARED))
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };

  bus.onUp(() => {
    // A server that was started anew may have lost everything: histories come before what is new.
    users.reset();
    log.info('connected to Redis');
    // A look that was under way may have seen what there was before.
    void Promise.resolve(looking)
      .then(lookOnce)
      .then(() => isStopped || !bus.isUp() || publisher.start());
  });
  bus.onDown(publisher.pause);
  const timer = setInterval(() => void lookOnce(), options.lookMs ?? LOOK_MS);

  return {
    busOf: async (orgId) => {
      const keys = await goodKeys(orgId);
      const [password] = passwordsOf(keys);
      if (password === undefined) return { kind: 'stream' };
      // A user that cannot be made now is made as soon as Redis is there; until then the node follows the stream.
      if (bus.isUp()) await users.grant(orgId, generationsOf(keys)).catch(() => {});
      const { host, port, tls, cluster, sentinels, master_name } = address;
      const rest = { cluster: list(cluster), sentinels: list(sentinels), master_name };
      const present = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
      return { kind: 'redis', host, port, tls, username: userOf(orgId), password, ...present };
    },
    wake: publisher.wake,
    announce: (orgId, text) => {
      // Whoever is not reached now is by the answer to its next status.
      if (bus.isUp()) bus.announce(orgId, text).catch(() => {});
    },
    keysChanged: async (orgId) => {
      if (!bus.isUp()) return;
      try {
        await users.grant(orgId, generationsOf(await goodKeys(orgId)));
      } catch (error) {
        // Found again by the next look.
        log.warn({ err: error, org: orgId }, 'Redis learns later that keys have changed');
      }
    },
    stop: async () => {
      isStopped = true;
      clearInterval(timer);
      await looking;
      await publisher.stop();
      connections.close();
    },
  };
}

/** As the query for all names them. */
function generationsOf(keys: readonly OrgKey[]): string {
  return keys
    .map(({ generation }) => generation)
    .sort((a, b) => a - b)
    .join(',');
}

function list<T>(values: readonly T[] | undefined): T[] | undefined {
  return values && [...values];
}

/** Works on so many at once, and gives what went wrong. */
async function settle<T>(
  values: readonly T[],
  atOnce: number,
  work: (value: T) => Promise<void>,
): Promise<readonly unknown[]> {
  const failures: unknown[] = [];
  const waiting = values.values();
  const worker = async (): Promise<void> => {
    for (const value of waiting) await work(value).catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, values.length) }, worker));
  return failures;
}
