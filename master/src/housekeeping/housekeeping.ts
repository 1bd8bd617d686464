import type { Logger } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import type { Partitions } from '../logs/index.ts';
import { trimChangeLog } from '../sync/index.ts';

interface HousekeepingOptions {
  readonly database: Database;
  readonly partitions: Partitions;
  readonly retentionDays: number;
  readonly log: Logger;
}

/** What grows with the days, looked after now and then. */
export interface Housekeeping {
  /** One round. @throws the database's error; the next round tries again */
  look(now: number): Promise<void>;
  stop(): void;
}

const EVERY_MS = 30 * 60_000;

/** Days ahead are made long before they come, so that a round that fails costs nothing. */
export function startHousekeeping({ database, partitions, retentionDays, log }: HousekeepingOptions): Housekeeping {
  const look = async (now: number): Promise<void> => {
    const dropped = await partitions.keep(now, retentionDays);
    const trimmed = await trimChangeLog(database);
    if (dropped.length > 0 || trimmed > 0) log.info({ dropped, trimmed_changes: trimmed }, 'old records dropped');
  };
  const attempt = (): void =>
    void look(Date.now()).catch((error: unknown) => log.warn({ err: error }, 'housekeeping will try again'));
  const timer = setInterval(attempt, EVERY_MS).unref();
  return { look, stop: () => clearInterval(timer) };
}
