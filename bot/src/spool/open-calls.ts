import { appendFile, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomic } from '@voiceoi/kernel';
import { FILE_HEADER, frameOf, readFrameFile } from './framing.ts';
import type { SpooledRecord } from './record.ts';
import { fileOf } from './segment.ts';

/** The file is written anew when it is larger than this and mostly about calls that have ended. */
const COMPACT_BYTES = 256 * 1024;

/**
 * Calls in flight whose `call_start` the master has already, so that no segment holds it any more: a file of their `call_start` records, each
 * crossed out by an empty `call`.
 */
export class OpenCalls {
  readonly #path: string;
  readonly #starts = new Map<string, SpooledRecord>();
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads what is there; what comes behind damage is not known. */
  async load(): Promise<readonly SpooledRecord[]> {
    const bytes = await readFile(this.#path).catch((error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? Buffer.alloc(0) : undefined,
    );
    const { records, end } = readFrameFile(bytes ?? Buffer.alloc(0));
    for (const record of records) this.#note(record);
    // What comes behind damage could not be read: the next that comes has the file written anew.
    this.#bytes = bytes && end === bytes.length ? end : Number.POSITIVE_INFINITY;
    return [...this.#starts.values()];
  }

  has(callId: string): boolean {
    return this.#starts.has(callId);
  }

  /** Takes the starts of calls in flight, and the ends of calls that it knows. @throws the error of the file system */
  async add(records: readonly SpooledRecord[]): Promise<void> {
    for (const record of records) this.#note(record);
    const live = [...this.#starts.values()];
    const frames = Buffer.concat(records.map(frameOf));
    const liveBytes = live.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (this.#bytes + frames.length > COMPACT_BYTES && liveBytes < this.#bytes / 2) await this.#rewrite(live);
    else await this.#append(frames);
  }

  /** Every call has its record now. @throws the error of the file system */
  async clear(): Promise<void> {
    if (this.#bytes === 0) return;
    this.#starts.clear();
    // Until it is gone: what came behind what is left in it would begin with a header in its midst.
    this.#bytes = Number.POSITIVE_INFINITY;
    await rm(this.#path, { force: true });
    this.#bytes = 0;
  }

  #note(record: SpooledRecord): void {
    if (record.kind === 'call') this.#starts.delete(record.callId);
    // A copy: its bytes are part of a segment's.
    else this.#starts.set(record.callId, { ...record, bytes: Buffer.from(record.bytes) });
  }

  async #append(frames: Buffer): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const file = await open(this.#path, 'a', 0o600);
    const before = this.#bytes;
    // Until it is known to be whole: what comes behind half a frame could not be read, so that a failure has the file written anew.
    this.#bytes = Number.POSITIVE_INFINITY;
    try {
      await appendFile(file, before === 0 ? Buffer.concat([FILE_HEADER, frames]) : frames);
      await file.datasync();
      this.#bytes = before + frames.length + (before === 0 ? FILE_HEADER.length : 0);
    } finally {
      await file.close();
    }
  }

  async #rewrite(live: readonly SpooledRecord[]): Promise<void> {
    const file = fileOf(live);
    await writeFileAtomic(this.#path, file);
    this.#bytes = file.length;
  }
}
