import { join } from 'node:path';
import type { Logger } from '@voiceoi/kernel';
import { GroupCommit } from './group-commit.ts';
import { OpenCalls } from './open-calls.ts';
import { batchOf, withoutOldest } from './pick.ts';
import type { QueuedRecord, SpooledRecord } from './record.ts';
import { type CutCall, readLeft } from './recovery.ts';
import { Segment } from './segment.ts';
import { readSegment, removeFile, rewrite, segmentPath, writeOut } from './segment-files.ts';
import type { RecordQueue } from './sender.ts';
import { Serial } from './serial.ts';

interface SegmentLogOptions {
  readonly orgId: string;
  readonly folder: string;
  readonly log: Logger;
  /** Bytes of all organizations together, kept up to date here. */
  readonly usage: { bytes: number };
  readonly onDropped: (count: number) => void;
  /** What was being sent no longer is: room can be made of it. */
  readonly onFree: () => void;
  /** A segment is sealed at this length. */
  readonly segmentBytes: number;
  /** How soon a disk that fails is tried again. */
  readonly diskRetryMs: number;
}

/** Sealed segments stay in memory up to this, so that they need not be read back in order to be sent. */
const HELD_BYTES = 2 * 1024 * 1024;

/** One organization's records in segments, on disk and in the order in which they came. The disk is worked on by one job at a time. */
export class SegmentLog implements RecordQueue {
  readonly #options: SegmentLogOptions;
  readonly #serial = new Serial();
  readonly #commit: GroupCommit;
  readonly #openCalls: OpenCalls;
  readonly #inFlight = new Set<string>();
  #segments: Segment[] = [];
  /** Segments of which the disk may not have everything. */
  readonly #unwritten = new Set<Segment>();
  #lastNumber = 0;
  #loaded: { readonly segment: Segment; readonly records: readonly SpooledRecord[] } | undefined;

  constructor(options: SegmentLogOptions) {
    this.#options = options;
    this.#openCalls = new OpenCalls(join(options.folder, 'open-calls'));
    this.#commit = new GroupCommit({
      write: () => this.#serial.run(() => this.#writeAll(false)),
      sync: () => this.#syncAll(),
      onState: (problem) => this.#tell(problem),
      retryMs: options.diskRetryMs,
    });
  }

  /** Records that wait. */
  get length(): number {
    return this.#segments.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** There are records that need not wait for others to be sent. */
  get hasSealed(): boolean {
    return this.#segments[0]?.isSealed === true;
  }

  /** The oldest first. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Takes up what is left from before. Never rejects. */
  async recover(): Promise<readonly CutCall[]> {
    const { orgId, folder, log, usage } = this.#options;
    const openCalls = await this.#openCalls.load();
    const { segments, cut } = await readLeft({ orgId, folder, openCalls, log });
    this.#segments.push(...segments);
    this.#lastNumber = segments.at(-1)?.number ?? 0;
    for (const { bytes } of segments) usage.bytes += bytes;
    return cut;
  }

  /** Of a call that was cut, and of which nobody knows yet whether it is over. */
  keepOpen(callId: string): void {
    this.#inFlight.add(callId);
  }

  /** The call has no record yet. */
  isOpen(callId: string): boolean {
    return this.#inFlight.has(callId);
  }

  /** The calls that were cut have their records now, but for those that are kept open. */
  async forgetCut(): Promise<void> {
    await this.settled();
    if (this.#commit.isBroken || this.#inFlight.size > 0) return;
    // The disk has to have the records before what they were made of is gone.
    await this.#serial.run(() => this.#writeAll(true)).catch(() => {});
    await this.#openCalls.clear().catch((error: unknown) => this.#tellOfRest(error));
  }

  /** Takes records. Never throws, never waits. */
  append(records: readonly QueuedRecord[]): void {
    for (const record of records) {
      const segment = this.#active();
      this.#options.usage.bytes += segment.add(record);
      if (record.kind === 'start') this.#inFlight.add(record.callId);
      else if (record.kind === 'call') this.#inFlight.delete(record.callId);
      if (segment.bytes >= this.#options.segmentBytes) segment.isSealed = true;
    }
    this.#commit.wake();
  }

  #active(): Segment {
    const last = this.#segments.at(-1);
    if (last && !last.isSealed) return last;
    // Greater than any before, also of a run before whose segments could not be read.
    this.#lastNumber = Math.max(this.#lastNumber + 1, Date.now());
    const segment = new Segment(this.#lastNumber, segmentPath(this.#options.folder, this.#lastNumber));
    this.#segments.push(segment);
    this.#unwritten.add(segment);
    return segment;
  }

  /** Resolves when all records so far outlive the process, within a second, and at once when the disk is at fault. */
  settled(): Promise<void> {
    return this.#commit.settled();
  }

  /** Bytes that only the memory has. */
  get unwrittenBytes(): number {
    let bytes = 0;
    for (const segment of this.#unwritten) bytes += segment.bytes - segment.written;
    return bytes;
  }

  /** Everything to disk, and no more after it. */
  async stop(): Promise<void> {
    for (const segment of this.#unwritten) segment.isSealed = true;
    this.#commit.wake();
    await this.#commit.stop();
  }

  async #writeAll(isDurable: boolean): Promise<void> {
    for (const segment of this.#unwritten) {
      await writeOut(segment, isDurable);
      // It may have been sealed meanwhile: its file is closed when all of it is durable.
      if (segment.file || !segment.isSealed || !segment.isWritten) continue;
      this.#unwritten.delete(segment);
      if (this.#heldBytes() > HELD_BYTES) segment.release();
    }
  }

  /** Beside other work on the disk, which need not wait for it: a file that is closed meanwhile is durable, and is closed when this is over. */
  async #syncAll(): Promise<void> {
    await Promise.all([...this.#unwritten].map(({ file }) => file?.datasync()));
  }

  #heldBytes(): number {
    return this.#segments.reduce(
      (sum, { isSealed, isInMemory, bytes }) => sum + (isSealed && isInMemory ? bytes : 0),
      0,
    );
  }

  #tell(problem: unknown): void {
    const { orgId: org, log } = this.#options;
    if (problem === undefined) log.info({ org }, 'spool: records are written to disk again');
    else log.error({ org, err: problem }, 'spool: records cannot be written to disk, and wait in memory');
  }

  /** Of a file that could not be removed: it is sent again after a restart, which does no harm. */
  #tellOfRest(problem: unknown): void {
    const { orgId: org, log } = this.#options;
    if (!this.#commit.isBroken) log.error({ org, err: problem }, 'spool: a file cannot be removed');
  }

  /** The oldest records, as many as a batch takes, of one segment. They stay until `remove`, or until `keep` gives them back. */
  peek(maxRecords: number, maxBytes: number): Promise<readonly SpooledRecord[]> {
    return this.#serial.run(async () => {
      const [segment] = this.#segments;
      if (!segment) return [];
      segment.isSealed = true;
      const records = await this.#load(segment);
      segment.isBusy = true;
      return batchOf(records, segment.cursor, maxRecords, maxBytes);
    });
  }

  keep(): void {
    const [segment] = this.#segments;
    if (segment) segment.isBusy = false;
    this.#options.onFree();
  }

  /** Takes out what `peek` gave. */
  async remove(batch: readonly SpooledRecord[]): Promise<void> {
    const [segment] = this.#segments;
    if (!segment) return;
    segment.cursor += batch.length;
    if (segment.waiting <= 0) await this.#serial.run(() => this.#delete(segment));
    segment.isBusy = false;
    this.#options.onFree();
  }

  async #load(segment: Segment): Promise<readonly SpooledRecord[]> {
    if (this.#loaded?.segment === segment) return this.#loaded.records;
    const records = await readSegment(segment).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    // Somebody has damaged or removed the file.
    if (records.length < segment.count)
      this.#options.onDropped(segment.count - Math.max(records.length, segment.cursor));
    segment.count = records.length;
    this.#loaded = { segment, records };
    return records;
  }

  async #delete(segment: Segment): Promise<void> {
    await this.#letGo(await this.#load(segment));
    await removeFile(segment).catch((error: unknown) => this.#tellOfRest(error));
    this.#loaded = undefined;
    this.#unwritten.delete(segment);
    this.#segments = this.#segments.filter((each) => each !== segment);
    this.#options.usage.bytes -= segment.bytes;
  }

  /** Before records leave the disk: the calls among them that are in flight have to be known after a kill. */
  async #letGo(records: readonly SpooledRecord[]): Promise<void> {
    const open = this.#openCalls;
    const changes = records.filter(({ kind, callId }) =>
      kind === 'start' ? this.#inFlight.has(callId) && !open.has(callId) : kind === 'call' && open.has(callId),
    );
    // A disk that fails is told of where records are written, and must not keep what a full one needs: room.
    const passOver = (): void => {};
    // A call may have ended a moment ago: its record has to be on disk before its start is gone from there.
    if (!this.#commit.isDurable) await this.#writeAll(true).catch(passOver);
    if (changes.length > 0) await open.add(changes).catch(passOver);
  }

  /**
   * Makes a segment smaller by the bytes that are too many when it is its turn: the oldest go first, steps alone or whatever there is. Returns
   * false when nothing can be done about this segment. @throws the error of the file system
   */
  reduce(segment: Segment, excess: () => number, onlySteps: boolean): Promise<boolean> {
    return this.#serial.run(async () => {
      if (segment.isBusy || !this.#segments.includes(segment)) return false;
      segment.isSealed = true;
      if (!segment.isWritten && !this.#commit.isBroken) await this.#writeAll(false);
      if (excess() <= 0) return true;
      const records = (await this.#load(segment)).slice(segment.cursor);
      const { kept, dropped } = withoutOldest(records, excess(), onlySteps);
      await this.#letGo(dropped);
      this.#loaded = undefined;
      const before = segment.bytes;
      if (kept.length === 0) await this.#delete(segment);
      else await this.#shrink(segment, kept);
      this.#options.onDropped(dropped.length);
      return kept.length === 0 || segment.bytes < before;
    });
  }

  async #shrink(segment: Segment, kept: readonly SpooledRecord[]): Promise<void> {
    const before = segment.bytes;
    await rewrite(segment, kept);
    if (!segment.isWritten) this.#unwritten.add(segment);
    this.#options.usage.bytes += segment.bytes - before;
  }
}
