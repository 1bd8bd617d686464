import type { FileHandle } from 'node:fs/promises';
import { FILE_HEADER, frameOf, frameRoom, readFrames, writeFrame } from './framing.ts';
import type { QueuedRecord, SpooledRecord } from './record.ts';

/** Frames are written into pieces of memory of this size; a frame never crosses two. */
const CHUNK_BYTES = 32 * 1024;

/** Some records of one organization, in order: in memory, on disk, or both. Here is what is known of them and those in memory; no I/O. */
export class Segment {
  /** Grows from segment to segment, also over restarts; about the milliseconds at which the segment began. */
  readonly number: number;
  readonly path: string;
  /** Records, and how many of them are not `call`. */
  count = 0;
  steps = 0;
  /** Records from the first that the master has, or never will. */
  cursor = 0;
  /** Length of its frames, and how much of that is on disk. */
  bytes = 0;
  written = 0;
  isSealed = false;
  /** Its records are being sent: nobody else may change it. */
  isBusy = false;
  /** Open while it is being written. */
  file: FileHandle | undefined;
  #chunks: Buffer[] | undefined = [];
  #tail = Buffer.alloc(0);
  #used = 0;
  #taken = 0;

  constructor(number: number, path: string) {
    this.number = number;
    this.path = path;
  }

  /** A segment of which everything is on disk. */
  static onDisk(number: number, path: string, records: readonly SpooledRecord[], bytes: number): Segment {
    const segment = new Segment(number, path);
    segment.isSealed = true;
    segment.written = bytes;
    segment.#count(records, bytes);
    segment.release();
    return segment;
  }

  get isInMemory(): boolean {
    return this.#chunks !== undefined;
  }

  get isWritten(): boolean {
    return this.written === this.bytes;
  }

  /** Records that still have to be sent. */
  get waiting(): number {
    return this.count - this.cursor;
  }

  /** Takes a record; returns by how many bytes the segment grew. */
  add(record: QueuedRecord): number {
    const before = this.bytes;
    this.#makeRoom(frameRoom(record) + FILE_HEADER.length);
    if (before === 0) this.#used += FILE_HEADER.copy(this.#tail, this.#used);
    this.#used = writeFrame(this.#tail, this.#used, record);
    this.bytes = this.#taken + this.#used;
    this.count++;
    if (record.kind !== 'call') this.steps++;
    return this.bytes - before;
  }

  #makeRoom(bytes: number): void {
    if (this.#tail.length - this.#used >= bytes) return;
    if (this.#used > 0) this.#chunks?.push(this.#tail.subarray(0, this.#used));
    this.#taken += this.#used;
    this.#used = 0;
    this.#tail = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes));
  }

  /** What is in memory, in order. */
  #pieces(): readonly Buffer[] {
    return this.#used > 0 ? [...(this.#chunks ?? []), this.#tail.subarray(0, this.#used)] : (this.#chunks ?? []);
  }

  /** The bytes that are not on disk yet. */
  unwritten(): readonly Buffer[] {
    let skip = this.written;
    return this.#pieces().flatMap((piece) => {
      const rest = piece.subarray(Math.min(skip, piece.length));
      skip -= piece.length - rest.length;
      return rest.length > 0 ? [rest] : [];
    });
  }

  /** All records, read from memory; only while `isInMemory`. */
  records(): readonly SpooledRecord[] {
    return this.#pieces().flatMap(
      (piece, index) => readFrames(piece, index === 0 ? FILE_HEADER.length : 0, true).records,
    );
  }

  /** Forgets what is in memory: the disk has it. */
  release(): void {
    this.#chunks = undefined;
    this.#tail = Buffer.alloc(0);
    this.#used = 0;
  }

  /** Holds these records instead of its own, of which none has been sent; returns their file. `isWritten`: the disk has them already. */
  replace(records: readonly SpooledRecord[], file: Buffer, isWritten: boolean): void {
    this.#chunks = isWritten ? undefined : [file];
    this.#tail = Buffer.alloc(0);
    this.#used = 0;
    this.cursor = 0;
    this.written = isWritten ? file.length : 0;
    this.#count(records, file.length);
  }

  #count(records: readonly SpooledRecord[], bytes: number): void {
    this.count = records.length;
    this.steps = records.filter(({ kind }) => kind !== 'call').length;
    this.bytes = bytes;
  }
}

/** A segment's file with these records. */
export function fileOf(records: readonly SpooledRecord[]): Buffer {
  return Buffer.concat([FILE_HEADER, ...records.map(frameOf)]);
}
