import type { Logger } from '@voiceoi/kernel';
import { trimSignIns } from '../auth/index.ts';
import type { Database } from '../database/index.ts';
import type { Partitions } from '../logs/index.ts';
import { trimInvitations } from '../members/index.ts';
import { trimChangeLog } from '../sync/index.ts';

interface HousekeepingOptions {
  readonly database: Database;
  readonly partitions: Partitions;
  readonly retentionDays: number;
  readonly log: Logger;
}

/** What grows with the days, looked after now and then. */
export interface Housekeeping {
  /** One round. Never rejects: what failed is logged and tried again. */
  look(now: number): Promise<void>;
  stop(): void;
}

const EVERY_MS = 30 * 60_000;

/** Days ahead are made long before they come, and ingestion makes what is missing: a round that fails costs nothing. */
export function startHousekeeping({ database, partitions, retentionDays, log }: HousekeepingOptions): Housekeeping {
  const look = async (now: number): Promise<void> => {
    // One that fails, perhaps every time, keeps none of the others from being done.
    const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> =>
      work().catch((error: unknown) => {
        log.warn({ err: error }, 'housekeeping will try again');
        return undefined;
      });
    const dropped = (await attempt(() => partitions.keep(now, retentionDays))) ?? [];
    const trimmed = (await attempt(() => trimChangeLog(database))) ?? 0;
    await attempt(() => trimSignIns(database));
    await attempt(() => trimInvitations(database));
    if (dropped.length > 0 || trimmed > 0) log.info({ dropped, trimmed_changes: trimmed }, 'old records dropped');
  };
  const timer = setInterval(() => void look(Date.now()), EVERY_MS).unref();
  return { look, stop: () => clearInterval(timer) };
}
