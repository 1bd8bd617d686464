import type { QueuedRecord } from './queue.ts';

/** Takes what calls leave behind and sees that the master gets it. */
export interface LogSink {
  /** Takes records of one organization, in order. Never throws, never waits. */
  append(orgId: string, records: readonly QueuedRecord[]): void;
  /** Sends what there is; resolves when all is sent or `withinMs` is over. */
  flush(withinMs: number): Promise<void>;
  stats(): SpoolStats;
  /** Gives up what is under way. What waits is lost with a sink that keeps it in memory. */
  stop(): Promise<void>;
}

/** What waits to be sent. */
export interface SpoolStats {
  readonly bytes: number;
  readonly dropped: number;
  /** Records that the master refused. */
  readonly dead_letters: number;
}
