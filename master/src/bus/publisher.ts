import type { Logger, OrgKey } from '@voiceoi/kernel';
import type { Database, Queryable } from '../database/index.ts';
import { changesBetween, type SecretSource } from '../sync/index.ts';
import type { Published, RedisBus } from './redis-bus.ts';

/** Carries committed changes into Redis: at least once, in order for each organization, whichever master gets to it. */
export interface Publisher {
  /** A change was committed here. */
  wake(orgId: string): void;
  /** Puts an organization's history into a Redis that does not have it. */
  refill(orgId: string): Promise<void>;
  /** Looks for what is to be published, now and from then on, until `pause`. */
  start(): void;
  /** Publishes nothing more: Redis is away, and what it still has is to be looked at before anything new is said. */
  pause(): void;
  stop(): Promise<void>;
}

interface PublisherOptions {
  readonly database: Database;
  readonly bus: RedisBus;
  readonly signingKey: (orgId: string) => Promise<OrgKey>;
  readonly secrets: SecretSource;
  readonly log: Logger;
}

/** Finds what other masters have committed and not published. */
const POLL_MS = 500;
/** Organizations that are published at once: each holds a connection to the database meanwhile. */
const AT_ONCE = 4;
/** Changes of one organization that go in one round trip, and those of a history that is made anew. */
const MOST = 200;

const UNPUBLISHED = 'SELECT DISTINCT org_id FROM change_log WHERE published_at IS NULL LIMIT 1000';
// An old epoch's changes lead nowhere any more, and nodes that are too far behind ask for the bundle.
const GIVE_UP = `UPDATE change_log SET published_at = clock_timestamp() WHERE org_id = $1 AND published_at IS NULL
  AND (epoch <> $2 OR revision <= (SELECT revision FROM organization WHERE id = $1) - ${MOST})`;
const NEXT = `SELECT revision FROM change_log WHERE org_id = $1 AND published_at IS NULL ORDER BY revision LIMIT ${MOST}`;
const DONE = `UPDATE change_log SET published_at = clock_timestamp()
  WHERE org_id = $1 AND published_at IS NULL AND revision BETWEEN $2 AND $3`;
const LAST_DONE =
  'SELECT max(revision) AS revision FROM change_log WHERE org_id = $1 AND epoch = $2 AND published_at IS NOT NULL';

export function createPublisher({ database, bus, signingKey, secrets, log }: PublisherOptions): Publisher {
  const waiting = new Set<string>();
  const running = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  let isPolling = false;
  let problem: string | undefined;

  /** One master at a time for each organization: two would say changes out of order. */
  const locked = (orgId: string, work: (tx: Queryable, epoch: string) => Promise<void>): Promise<void> =>
    database.transaction(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('voiceoi/publish/' || $1, 0))`, [orgId]);
      const { rows } = await tx.query<{ epoch: string }>('SELECT epoch FROM instance');
      await work(tx, rows[0]?.epoch ?? '');
    });
  const read = async (tx: Queryable, orgId: string, epoch: string, first: number, last: number) => {
    const signing = { key: await signingKey(orgId), secrets };
    const messages = await changesBetween(tx, orgId, epoch, { first, last }, signing);
    return messages.map(({ change, text }): Published => ({ revision: change.to, sha256: change.sha256, text }));
  };
  const publish = (orgId: string): Promise<void> =>
    locked(orgId, async (tx, epoch) => {
      await tx.query(GIVE_UP, [orgId, epoch]);
      const { rows } = await tx.query<{ revision: number }>(NEXT, [orgId]);
      const [first, last] = [rows[0]?.revision, rows.at(-1)?.revision];
      if (first === undefined || last === undefined) return;
      await bus.publish(orgId, epoch, await read(tx, orgId, epoch, first, last));
      await tx.query(DONE, [orgId, first, last]);
    });

  const run = (): void => {
    for (const orgId of waiting) {
      if (running.size >= AT_ONCE || !timer || !bus.isUp()) return;
      waiting.delete(orgId);
      const one: Promise<void> = publish(orgId)
        .then(() => note(undefined))
        .catch((error: unknown) => note(error instanceof Error ? error.message : String(error)))
        .finally(() => {
          running.delete(one);
          run();
        });
      running.add(one);
    }
  };
  /** Once for each kind of trouble, and once when it is over; what could not be published is found again by the next look. */
  const note = (now: string | undefined): void => {
    if (now !== undefined && now !== problem) log.warn({ reason: now }, 'changes wait to be published to Redis');
    if (now === undefined && problem !== undefined) log.info('changes are published to Redis again');
    problem = now;
  };
  const poll = async (): Promise<void> => {
    if (isPolling || !bus.isUp()) return;
    isPolling = true;
    try {
      const { rows } = await database.query<{ org_id: string }>(UNPUBLISHED);
      for (const { org_id } of rows) waiting.add(org_id);
      run();
    } catch (error) {
      note(error instanceof Error ? error.message : String(error));
    } finally {
      isPolling = false;
    }
  };

  const pause = (): void => {
    clearInterval(timer);
    timer = undefined;
  };

  return {
    wake: (orgId) => {
      waiting.add(orgId);
      run();
    },
    refill: (orgId) =>
      locked(orgId, async (tx, epoch) => {
        const { rows } = await tx.query<{ revision: number | null }>(LAST_DONE, [orgId, epoch]);
        const last = rows[0]?.revision;
        if (!last) return;
        const [head] = await bus.heads([orgId]);
        if (head?.epoch === epoch && head.revision >= last) return;
        await bus.refill(orgId, epoch, await read(tx, orgId, epoch, Math.max(1, last - MOST + 1), last));
      }),
    start: () => {
      timer ??= setInterval(() => void poll(), POLL_MS);
      void poll();
    },
    pause,
    stop: async () => {
      pause();
      await Promise.all(running);
    },
  };
}
