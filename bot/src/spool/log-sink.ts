import type { QueuedRecord } from './record.ts';

/** Takes what calls leave behind and sees that the master gets it. */
export interface LogSink {
  /** Takes records of one organization, in order. Never throws, never waits. */
  append(orgId: string, records: readonly QueuedRecord[]): void;
  /**
   * Resolves when the organization's records so far outlive the process: a call's connection is closed after it. Within a second in any case, and
   * at once when the disk is at fault, which must not keep a caller waiting. Never rejects.
   */
  settled(orgId: string): Promise<void>;
  /** Sends what there is; resolves when all is sent or `withinMs` is over. */
  flush(withinMs: number): Promise<void>;
  stats(): SpoolStats;
  /** Gives up what is under way. What waits is sent after the next start. */
  stop(): Promise<void>;
}

/** What waits to be sent. */
export interface SpoolStats {
  readonly bytes: number;
  readonly dropped: number;
  /** Records that the master refused. */
  readonly dead_letters: number;
}
