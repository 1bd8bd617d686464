import type { NodeOrder } from '@voiceoi/contracts';
import type { Logger } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import type { Head } from './bundles.ts';
import type { FrameSource } from './frames.ts';

/** Whoever wants to know when an organization has changed. */
export interface Watcher {
  /** Generation of the organization key that it came with. */
  readonly generation: number;
  /** There may be something new. */
  wake(): void;
  /** A node was ordered to drain or to go on. */
  order(order: NodeOrder): void;
  /** Its key is no longer good, or the organization is gone. */
  end(): void;
}

/** Tells watchers that an organization has changed: at once what this master commits, within 500 ms what others do. */
export interface ChangeFeed {
  /** A change was committed here. */
  wake(orgId: string): void;
  /** A node order was committed here. */
  announce(order: NodeOrder): void;
  /** Returns what ends the watching. */
  watch(orgId: string, watcher: Watcher): () => void;
  stop(): void;
}

/** Signed orders of an organization that were issued later than a time; without one, those that hold. */
export type OrdersAfter = (orgId: string, issuedAt: string | undefined) => Promise<readonly NodeOrder[]>;

/** No LISTEN/NOTIFY: it takes a global lock at each commit (sync-protocol.md). One query serves all organizations that are watched. */
const POLL_MS = 500;

const HEADS = `SELECT o.id, i.epoch, o.revision, (SELECT max(n.issued_at) FROM node_order n WHERE n.org_id = o.id) AS ordered_at,
  (SELECT coalesce(jsonb_agg(k.generation), '[]') FROM organization_key k
    WHERE k.org_id = o.id AND k.revoked_at IS NULL AND (k.not_after IS NULL OR k.not_after > now())) AS generations
FROM organization o CROSS JOIN instance i WHERE o.id = ANY ($1::text[])`;

interface Row extends Head {
  readonly id: string;
  readonly generations: readonly number[];
  readonly ordered_at: Date | null;
}

interface Watched {
  readonly watchers: Set<Watcher>;
  /** As last polled. */
  head: Head | undefined;
  /** When the newest order that watchers were given was issued. */
  orderedAt: string | undefined;
}

export function changeFeed(
  database: Database,
  frames: Pick<FrameSource, 'forget'>,
  ordersAfter: OrdersAfter,
  log: Logger,
): ChangeFeed {
  const organizations = new Map<string, Watched>();
  let isPolling = false;

  const wakeAll = (orgId: string): void => {
    frames.forget(orgId);
    for (const watcher of organizations.get(orgId)?.watchers ?? []) watcher.wake();
  };

  /** Orders of an organization are committed in the order of their times, so nothing older comes after what was seen. */
  const bringOrders = async (orgId: string): Promise<void> => {
    const watched = organizations.get(orgId);
    if (!watched) return;
    for (const order of await ordersAfter(orgId, watched.orderedAt)) {
      if (watched.orderedAt !== undefined && order.issued_at <= watched.orderedAt) continue;
      watched.orderedAt = order.issued_at;
      for (const watcher of watched.watchers) watcher.order(order);
    }
  };
  const compareOrders = async (orgId: string, watched: Watched, orderedAt: string | undefined): Promise<void> => {
    if (orderedAt === undefined || orderedAt <= (watched.orderedAt ?? '')) return;
    await bringOrders(orgId);
    if (orderedAt > (watched.orderedAt ?? '')) watched.orderedAt = orderedAt;
  };

  const compare = (orgId: string, watched: Watched, row: Row | undefined): void => {
    for (const watcher of watched.watchers) if (!row?.generations.includes(watcher.generation)) watcher.end();
    const isNew = watched.head?.epoch !== row?.epoch || watched.head?.revision !== row?.revision;
    watched.head = row && { epoch: row.epoch, revision: row.revision };
    if (isNew) wakeAll(orgId);
  };
  const poll = async (): Promise<void> => {
    if (isPolling || organizations.size === 0) return;
    isPolling = true;
    try {
      const asked = [...organizations];
      const { rows } = await database.query<Row>(HEADS, [asked.map(([orgId]) => orgId)]);
      const found = new Map(rows.map((row) => [row.id, row]));
      for (const [orgId, watched] of asked) compare(orgId, watched, found.get(orgId));
      for (const [orgId, watched] of asked)
        await compareOrders(orgId, watched, found.get(orgId)?.ordered_at?.toISOString());
    } catch (error) {
      log.warn({ err: error }, 'changes cannot be looked for now');
    } finally {
      isPolling = false;
    }
  };
  const timer = setInterval(() => void poll(), POLL_MS);

  return {
    wake: wakeAll,
    // By the same way as what other masters order, so that watchers get everything once and in order.
    announce: ({ org_id: orgId }) => {
      bringOrders(orgId).catch((error: unknown) => log.warn({ err: error, org: orgId }, 'an order comes later'));
    },
    watch: (orgId, watcher) => {
      const watched = organizations.get(orgId) ?? { watchers: new Set(), head: undefined, orderedAt: undefined };
      organizations.set(orgId, watched);
      watched.watchers.add(watcher);
      return () => {
        watched.watchers.delete(watcher);
        if (watched.watchers.size === 0 && organizations.get(orgId) === watched) organizations.delete(orgId);
      };
    },
    stop: () => {
      clearInterval(timer);
      organizations.clear();
    },
  };
}
