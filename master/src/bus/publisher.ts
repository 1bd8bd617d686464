import type { Logger, OrgKey } from '@voiceoi/kernel';
import type { Database, Queryable } from '../database/index.ts';
import { type ChangeMessage, changesBetween, type SecretSource, unpublishedChanges } from '../sync/index.ts';
import type { RedisBus } from './redis-bus.ts';
import type { Published } from './say-changes.ts';

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
  /** Good keys of an organization, the newest first. */
  readonly goodKeys: (orgId: string) => Promise<readonly OrgKey[]>;
  readonly secrets: SecretSource;
  readonly log: Logger;
}

/** Finds what other masters have committed and not published. */
const POLL_MS = 500;
/** Organizations that are published at once: each holds a connection to the database meanwhile. */
const AT_ONCE = 4;
/** One that fails, as while its server of a cluster is away, is tried again after this time, so that others get their turn. */
const REST_MS = 3_000;
/** Changes of one organization that go in one round trip, and those of a history that is made anew. */
const MOST = 200;

/** Changes go in steps of this size, so that a slow way to Redis gets on with them, each within its time. */
const MOST_CHARACTERS = 1024 * 1024;

const UNPUBLISHED = 'SELECT DISTINCT org_id FROM change_log WHERE published_at IS NULL LIMIT 1000';
// An old epoch's changes lead nowhere any more, and nodes that are too far behind ask for the bundle.
const GIVE_UP = `UPDATE change_log SET published_at = clock_timestamp() WHERE org_id = $1 AND published_at IS NULL
  AND (epoch <> $2 OR revision <= (SELECT revision FROM organization WHERE id = $1) - ${MOST})`;
const LOCK = `SELECT epoch, pg_advisory_xact_lock(hashtextextended('voiceoi/publish/' || $1, 0)) FROM instance`;
const DONE = `UPDATE change_log SET published_at = clock_timestamp()
  WHERE org_id = $1 AND published_at IS NULL AND revision BETWEEN $2 AND $3`;
const STATE = `SELECT o.revision, (SELECT max(l.revision) FROM change_log l
  WHERE l.org_id = o.id AND l.epoch = $2 AND l.published_at IS NOT NULL) AS published FROM organization o WHERE o.id = $1`;
const ALL_DONE = 'UPDATE change_log SET published_at = clock_timestamp() WHERE org_id = $1 AND published_at IS NULL';

export function createPublisher({ database, bus, goodKeys, secrets, log }: PublisherOptions): Publisher {
  const waiting = new Set<string>();
  const running = new Set<Promise<void>>();
  /** Until when organizations are let alone whose changes could not be published. */
  const resting = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let isPolling = false;
  let problem: string | undefined;

  /** One master at a time for each organization: two would say changes out of order. */
  const locked = (orgId: string, work: (tx: Queryable, epoch: string) => Promise<void>): Promise<void> =>
    database.transaction(async (tx) => {
      const { rows } = await tx.query<{ epoch: string }>(LOCK, [orgId]);
      await work(tx, rows[0]?.epoch ?? '');
    });
  const publish = async (orgId: string): Promise<void> => {
    const [key] = await goodKeys(orgId);
    await locked(orgId, async (tx, epoch) => {
      // Nobody may listen, and nothing could sign: a key that is made later begins with a bundle.
      if (!key) return void (await tx.query(ALL_DONE, [orgId]));
      let messages = await unpublishedChanges(tx, orgId, MOST, { key, secrets });
      if (messages.length === MOST || messages.some(({ change }) => change.epoch !== epoch)) {
        await tx.query(GIVE_UP, [orgId, epoch]);
        messages = await unpublishedChanges(tx, orgId, MOST, { key, secrets });
      }
      const [first] = messages;
      if (!first) return;
      const changes = messages.map(toPublish);
      const some = changes.slice(0, countWithin(changes, MOST_CHARACTERS));
      await bus.publish(orgId, epoch, some);
      await tx.query(DONE, [orgId, first.change.to, some.at(-1)?.revision]);
      if (some.length < changes.length) waiting.add(orgId);
    });
  };
  const refill = (orgId: string): Promise<void> =>
    locked(orgId, async (tx, epoch) => {
      const head = await bus.head(orgId);
      const { rows } = await tx.query<{ revision: number; published: number | null }>(STATE, [orgId, epoch]);
      const { revision = 0, published = null } = rows[0] ?? {};
      const target = published ?? revision;
      // Ahead of what was committed is only an organization that had the same name, or a database that was restored.
      const isThere = head?.epoch === epoch && head.revision >= target && head.revision <= revision;
      const [key] = await goodKeys(orgId);
      if (isThere || !key || target === 0) return;
      const revisions = { first: Math.max(1, target - MOST + 1), last: target };
      const messages = published === null ? [] : await changesBetween(tx, orgId, epoch, revisions, { key, secrets });
      if (messages.length > 0) await bus.refill(orgId, epoch, messages.map(toPublish));
      else await bus.begin(orgId, { epoch, revision: target });
    });

  const isResting = (orgId: string): boolean => {
    if ((resting.get(orgId) ?? 0) > performance.now()) return true;
    resting.delete(orgId);
    return false;
  };
  const run = (): void => {
    for (const orgId of waiting) {
      if (isResting(orgId)) continue;
      if (running.size >= AT_ONCE || !timer || !bus.isUp()) return;
      waiting.delete(orgId);
      const one: Promise<void> = publish(orgId)
        .then(() => {
          resting.delete(orgId);
          if (resting.size === 0) note(undefined);
        })
        .catch((error: unknown) => {
          resting.set(orgId, performance.now() + REST_MS);
          note(error instanceof Error ? error.message : String(error));
        })
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
    refill,
    start: () => {
      resting.clear();
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

function toPublish({ change, text }: ChangeMessage): Published {
  return { revision: change.to, sha256: change.sha256, text };
}

/** How many changes from the first on have no more characters; one at least. */
function countWithin(changes: readonly Published[], most: number): number {
  let characters = 0;
  for (const [at, { text }] of changes.entries()) {
    characters += text.length;
    if (characters > most) return Math.max(1, at);
  }
  return changes.length;
}
