import { join } from 'node:path';
import type { Logger, Metrics } from '@voiceoi/kernel';
import type { KeyRing } from '../keys/index.ts';
import { DeadLetters } from './dead-letters.ts';
import type { LogSink, SpoolStats } from './log-sink.ts';
import { OverdueCalls } from './overdue-calls.ts';
import type { KilledRecord, QueuedRecord } from './record.ts';
import type { CutCall } from './recovery.ts';
import { makeRoom } from './room.ts';
import { SegmentLog } from './segment-log.ts';
import { LogSender } from './sender.ts';

interface DiskSpoolOptions {
  /** Each organization has a folder in it. */
  readonly folder: string;
  readonly masterUrl: string;
  /** Of the organizations whose records are taken. */
  readonly keys: KeyRing;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How soon records are sent. */
  readonly flushMs: number;
  /** The `call` record of a call that was in flight as the node was killed, from the text of its `call_start`; undefined when that cannot be read. */
  readonly recordOfKilled: (start: string, endedAtMs: number) => KilledRecord | undefined;
  /** Bytes that may wait, of all organizations together; 256 MiB by default. */
  readonly budgetBytes?: number;
  /** Bytes of each organization that may wait in memory while the disk is at fault; 8 MiB by default. */
  readonly memoryBytes?: number;
  /** Length at which a segment is sealed; 4 MiB by default. */
  readonly segmentBytes?: number;
  /** First wait between tries; 1,000 by default. */
  readonly retryMs?: number;
  /** How soon a disk that fails is tried again; 1,000 by default. */
  readonly diskRetryMs?: number;
  /** How often calls that may have gone on elsewhere are looked at; 10,000 by default. */
  readonly overdueMs?: number;
  /** How long the master may take to answer; 30,000 by default. */
  readonly timeoutMs?: number;
}

const MIB = 1024 * 1024;
/** Room is made before there is none, and for a while. */
const FULL = 0.95;
const ROOMY = 0.85;
/** The end of the process waits this long for a disk that hangs. */
const STOP_MS = 2000;

interface Lane {
  readonly segments: SegmentLog;
  readonly letters: DeadLetters;
  readonly sender: LogSender;
}

/**
 * Records wait in files until the master has them (sync-protocol.md, Logs the other way): they outlive an outage of the master and the death of
 * the node. Calls that a killed node had in flight get their record here. Never rejects: a disk that is at fault makes it a spool in memory.
 */
export async function diskSpool(options: DiskSpoolOptions): Promise<DiskSpool> {
  const spool = new FolderSpool(options);
  await spool.recover(options.keys.organizations());
  return spool;
}

/** A spool that takes up organizations while it runs. What was taken of one that is no longer served is still sent. */
export interface DiskSpool extends LogSink {
  /** Takes records of this organization too, with what a run before has left of it. */
  serve(orgId: string): Promise<void>;
}

class FolderSpool implements DiskSpool {
  readonly #options: DiskSpoolOptions;
  readonly #budget: number;
  readonly #memory: number;
  readonly #usage = { bytes: 0 };
  readonly #lanes = new Map<string, Lane>();
  readonly #overdue: OverdueCalls;
  readonly #droppedTotal;
  readonly #rejectedTotal;
  #dropped = 0;
  #isMakingRoom = false;
  #isCramped = false;

  constructor(options: DiskSpoolOptions) {
    const { metrics } = options;
    this.#options = options;
    this.#budget = options.budgetBytes ?? 256 * MIB;
    this.#memory = options.memoryBytes ?? 8 * MIB;
    this.#droppedTotal = metrics.counter('voiceoi_log_dropped_total', 'Records that were dropped for want of room', []);
    this.#rejectedTotal = metrics.counter('voiceoi_log_rejected_total', 'Records that the master refused', []);
    const bytes = metrics.gauge('voiceoi_log_spool_bytes', 'Records that wait to be sent', []);
    Object.assign(bytes, { collect: () => bytes.set(this.#usage.bytes) });
    options.keys.onChange(({ added, renewed }) => {
      for (const orgId of [...added, ...renewed]) this.#lanes.get(orgId)?.sender.retry();
    });
    this.#overdue = new OverdueCalls((orgId, record) => this.append(orgId, [record]), options.overdueMs ?? 10_000);
  }

  #makeLane(orgId: string): Lane {
    const { log, flushMs, masterUrl, segmentBytes = 4 * MIB, diskRetryMs = 1000 } = this.#options;
    const { retryMs = 1000, timeoutMs = 30_000 } = this.#options;
    const folder = join(this.#options.folder, orgId);
    const segments = new SegmentLog({
      orgId,
      folder,
      log,
      usage: this.#usage,
      onDropped: (count) => this.#countDropped(count),
      onFree: () => this.#watchRoom(segments),
      segmentBytes,
      diskRetryMs,
    });
    const letters = new DeadLetters(join(folder, 'dead-letters.ndjson'));
    const onRejected: ConstructorParameters<typeof LogSender>[0]['onRejected'] = async (rejected) => {
      this.#rejectedTotal.inc(rejected.length);
      await letters
        .add(rejected)
        .catch((error: unknown) => log.error({ org: orgId, err: error }, 'spool: dead letters cannot be written'));
    };
    const url = `${masterUrl}/api/sync/logs`;
    const keys = this.#options.keys.of(orgId);
    const sender = new LogSender({ url, keys, queue: segments, log, flushMs, onRejected, retryMs, timeoutMs });
    return { segments, letters, sender };
  }

  async serve(orgId: string): Promise<void> {
    if (!this.#lanes.has(orgId)) await this.recover([orgId]);
  }

  /** Takes up what a run before has left of organizations that are new here. */
  async recover(orgIds: readonly string[]): Promise<void> {
    const made = orgIds.map((orgId) => [orgId, this.#makeLane(orgId)] as const);
    const lanes = made.map(([, lane]) => lane);
    for (const [orgId, { segments, letters }] of made) {
      await letters.load();
      const cut = await segments.recover();
      segments.append(
        this.#overdue.sort(
          orgId,
          segments,
          cut.flatMap((call) => this.#recordOf(call)),
        ),
      );
    }
    await Promise.all(lanes.map(({ segments }) => segments.forgetCut()));
    for (const [orgId, lane] of made) this.#lanes.set(orgId, lane);
    for (const { segments, sender } of lanes) if (segments.length > 0) sender.wake();
    this.#watchBudget();
  }

  #recordOf({ start, lastWrittenAtMs }: CutCall): readonly KilledRecord[] {
    const record = this.#options.recordOfKilled(start.bytes.toString(), lastWrittenAtMs);
    if (!record) this.#options.log.error({ call_id: start.callId }, 'spool: the start of a call cannot be read');
    return record ? [record] : [];
  }

  append(orgId: string, records: readonly QueuedRecord[]): void {
    const lane = this.#lanes.get(orgId);
    if (!lane) return;
    // Only a disk that hangs lets so much come together: one that fails has room made in memory.
    if (lane.segments.unwrittenBytes > this.#memory * 2) return this.#countDropped(records.length);
    lane.segments.append(records);
    lane.sender.wake();
    this.#watchRoom(lane.segments);
  }

  settled(orgId: string): Promise<void> {
    return this.#lanes.get(orgId)?.segments.settled() ?? Promise.resolve();
  }

  async flush(withinMs: number): Promise<void> {
    const over = AbortSignal.timeout(withinMs);
    const drained = Promise.all([...this.#lanes.values()].map(({ sender }) => sender.drain(over)));
    // A request under way may outlast the time that there is.
    await Promise.race([drained, new Promise((resolve) => over.addEventListener('abort', resolve))]);
  }

  stats(): SpoolStats {
    const letters = [...this.#lanes.values()].reduce((sum, lane) => sum + lane.letters.count, 0);
    return { bytes: this.#usage.bytes, dropped: this.#dropped, dead_letters: letters };
  }

  async stop(): Promise<void> {
    this.#overdue.stop();
    const lanes = [...this.#lanes.values()];
    const over = AbortSignal.timeout(STOP_MS);
    const stopped = Promise.all(
      lanes.map(async ({ sender, segments }) => {
        await sender.stop();
        await segments.stop();
      }),
    );
    await Promise.race([stopped, new Promise((resolve) => over.addEventListener('abort', resolve))]);
  }

  #countDropped(count: number): void {
    this.#dropped += count;
    if (count > 0) this.#droppedTotal.inc(count);
  }

  #watchRoom(log: SegmentLog): void {
    this.#watchBudget();
    if (log.unwrittenBytes > this.#memory) this.#makeRoom(this.#roomInMemory(log));
  }

  #watchBudget(): void {
    if (this.#usage.bytes <= this.#budget * FULL) return;
    const logs = [...this.#lanes.values()].map(({ segments }) => segments);
    this.#makeRoom({ logs, counts: () => true, excess: () => this.#usage.bytes - this.#budget * ROOMY });
  }

  #roomInMemory(log: SegmentLog): Parameters<typeof makeRoom>[0] {
    const excess = (): number => log.unwrittenBytes - this.#memory * ROOMY;
    return { logs: [log], counts: ({ isWritten }) => !isWritten, excess };
  }

  #makeRoom(room: Parameters<typeof makeRoom>[0]): void {
    if (this.#isMakingRoom) return;
    this.#isMakingRoom = true;
    void makeRoom(room)
      .then(
        () => {
          this.#isCramped = false;
        },
        (error: unknown) => this.#tellOfCramped(error),
      )
      .finally(() => {
        this.#isMakingRoom = false;
      });
  }
  #tellOfCramped(error: unknown): void {
    if (!this.#isCramped) this.#options.log.error({ err: error }, 'spool: no room can be made');
    this.#isCramped = true;
  }
}
