import type { Bus } from '@voiceoi/contracts';
import type { Logger, Metrics, OrgKey, RedisAddress, RedisConnections } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import type { Head, SecretSource } from '../sync/index.ts';
import { passwordOf } from './access.ts';
import { userOf } from './names.ts';
import { createPublisher } from './publisher.ts';
import { redisBus } from './redis-bus.ts';

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
  readonly signingKey: (orgId: string) => Promise<OrgKey>;
  readonly secrets: SecretSource;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Users and heads are compared with the database this often: what a Redis has lost is back within this time. */
const LOOK_MS = 10_000;

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
  /** Good generations of each organization's user, as Redis was told last, and its epoch. */
  const granted = new Map<string, { readonly generations: string; readonly epoch: string }>();
  let looking: Promise<void> | undefined;
  let isStopped = false;
  const up = metrics.gauge('voiceoi_bus_up', 'Whether the event bus (Redis) is connected: 1 or 0', []);
  Object.assign(up, { collect: () => up.set(bus.isUp() ? 1 : 0) });

  const grant = async (orgId: string, generations: string, epoch: string): Promise<void> => {
    const before = granted.get(orgId);
    if (before?.generations === generations) return;
    await bus.grant(orgId, (await goodKeys(orgId)).map(passwordOf));
    granted.set(orgId, { generations, epoch });
    const isTakenAway = before?.generations.split(',').some((old) => !generations.split(',').includes(old));
    if (isTakenAway) await bus.disconnect(orgId);
  };
  const compare = async (rows: readonly Row[]): Promise<void> => {
    for (const { id, generations, epoch } of rows) await grant(id, generations, epoch);
    const heads = await bus.heads(rows.map(({ id }) => id));
    for (const [index, { id, epoch, revision }] of rows.entries()) {
      const head = heads[index];
      if (revision > 0 && (head?.epoch !== epoch || head.revision < revision)) await publisher.refill(id);
    }
  };
  const look = async (): Promise<void> => {
    if (!bus.isUp()) return;
    const { rows } = await database.query<Row>(ALL);
    await inChunks(rows, compare);
    const there = new Set(rows.map(({ id }) => id));
    for (const [orgId, { epoch }] of granted) {
      if (there.has(orgId)) continue;
      granted.delete(orgId);
      await bus.forget(orgId, epoch);
    }
  };
  const lookOnce = (): Promise<void> => {
    looking ??= look()
      .catch((error: unknown) => log.warn({ err: error }, 'Redis cannot be compared with the database now'))
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };

  bus.onUp(() => {
    // A server that was started anew may have lost everything: histories come before what is new.
    granted.clear();
    log.info('connected to Redis');
    // A look that was under way may have seen what there was before.
    void Promise.resolve(looking)
      .then(lookOnce)
      .then(() => isStopped || !bus.isUp() || publisher.start());
  });
  bus.onDown(publisher.pause);
  const timer = setInterval(() => void lookOnce(), LOOK_MS);

  return {
    busOf: async (orgId) => {
      const keys = await goodKeys(orgId);
      const [newest] = keys;
      if (!newest) return { kind: 'stream' };
      // A user that cannot be made now is made as soon as Redis is there; until then the node follows the stream.
      if (bus.isUp()) await grant(orgId, generationsOf(keys), granted.get(orgId)?.epoch ?? '').catch(() => {});
      const { host, port, tls, cluster, sentinels, master_name } = address;
      const rest = { cluster: list(cluster), sentinels: list(sentinels), master_name };
      const present = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
      return { kind: 'redis', host, port, tls, username: userOf(orgId), password: passwordOf(newest), ...present };
    },
    wake: publisher.wake,
    announce: (orgId, text) => {
      // Whoever is not reached now is by the answer to its next status.
      if (bus.isUp()) bus.announce(orgId, text).catch(() => {});
    },
    keysChanged: async (orgId) => {
      if (!bus.isUp()) return;
      const before = granted.get(orgId);
      try {
        await grant(orgId, generationsOf(await goodKeys(orgId)), before?.epoch ?? '');
        // Another master may have let in who is no longer to be.
        if (!before) await bus.disconnect(orgId);
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

/** So that thousands of organizations do not wait in Redis at once. */
async function inChunks<T>(values: readonly T[], work: (chunk: readonly T[]) => Promise<void>): Promise<void> {
  for (let index = 0; index < values.length; index += 500) await work(values.slice(index, index + 500));
}
