import { mkdir, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder, writeFileAtomic } from '@voiceoi/kernel';
import { isOfOtherVersion, readFrameFile } from './framing.ts';
import type { SpooledRecord } from './record.ts';
import { fileOf, Segment } from './segment.ts';

const NAME = /^(\d{16})\.segment$/;

export function segmentPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(16, '0')}.segment`);
}

/** Writes what of a segment is not on disk yet. A write that failed is begun again where it was. @throws the error of the file system */
export async function writeOut(segment: Segment, isDurable: boolean): Promise<void> {
  try {
    const isNew = segment.file === undefined;
    segment.file ??= await openFile(segment);
    await writeAll(segment);
    const isLast = segment.isSealed && segment.isWritten;
    if (isDurable || isLast) await segment.file.datasync();
    if (isNew) await syncFolder(dirname(segment.path));
    if (isLast) await closeFile(segment);
  } catch (error) {
    await closeFile(segment).catch(() => {});
    throw error;
  }
}

async function openFile({ path, written }: Segment) {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return open(path, written > 0 ? 'r+' : 'w', 0o600);
}

async function writeAll(segment: Segment): Promise<void> {
  for (let pieces = segment.unwritten(); pieces.length > 0; pieces = segment.unwritten()) {
    const done = await segment.file?.writev([...pieces], segment.written);
    if (!done?.bytesWritten) throw new Error('nothing was written');
    segment.written += done.bytesWritten;
  }
}

export async function closeFile(segment: Segment): Promise<void> {
  const { file } = segment;
  segment.file = undefined;
  await file?.close();
}

/** @throws the error of the file system */
export async function readSegment(segment: Segment): Promise<readonly SpooledRecord[]> {
  return segment.isInMemory ? segment.records() : readFrameFile(await readFile(segment.path)).records;
}

/** Makes a segment hold these records instead of its own; on disk too, when it is there. @throws the error of the file system */
export async function rewrite(segment: Segment, records: readonly SpooledRecord[]): Promise<void> {
  const file = fileOf(records);
  const { isWritten } = segment;
  if (isWritten) await writeFileAtomic(segment.path, file);
  // Its file is begun anew with the next write, whatever is in it until then.
  else await closeFile(segment).catch(() => {});
  segment.replace(records, file, isWritten);
}

export async function removeFile(segment: Segment): Promise<void> {
  await closeFile(segment).catch(() => {});
  await rm(segment.path, { force: true });
}

/** A segment that was left from before. */
export interface LeftSegment {
  readonly segment: Segment;
  readonly records: readonly SpooledRecord[];
  /** When it was last written, epoch milliseconds. */
  readonly at: number;
  /** Bytes behind the first frame that is not whole, which are cut off. */
  readonly lostBytes: number;
}

/** The numbers of the segments in a folder, the oldest first; what was left half-written is removed. @throws the error of the file system */
export async function leftSegments(folder: string): Promise<readonly number[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names.filter((each) => each.endsWith('.tmp'))) await rm(join(folder, name), { force: true });
  return names
    .sort()
    .flatMap((name) => NAME.exec(name)?.[1] ?? [])
    .map(Number);
}

/** Reads a segment, and cuts off what is damaged. @throws the error of the file system */
export async function readLeftSegment(folder: string, number: number): Promise<LeftSegment> {
  const path = segmentPath(folder, number);
  const { mtimeMs } = await stat(path);
  const bytes = await readFile(path);
  // A node that was set back to an earlier version must not lose what the later one has left.
  if (isOfOtherVersion(bytes)) throw new Error(`${path} is of another version of the spool`);
  const { records, end } = readFrameFile(bytes);
  if (records.length === 0) await rm(path);
  else if (end < bytes.length) await truncate(path, end);
  const segment = Segment.onDisk(number, path, records, end);
  return { segment, records, at: mtimeMs, lostBytes: bytes.length - end };
}
