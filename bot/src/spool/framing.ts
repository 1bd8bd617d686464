import { crc32c } from './crc32c.ts';
import type { QueuedRecord, RecordKind, SpooledRecord } from './record.ts';

/**
 * A frame: CRC-32C of all that follows, length of call id and text together, kind, length of the call id (both one byte), call id, text.
 * Numbers are little-endian. The call id stands apart so that nobody has to parse records to know which calls they belong to.
 */
const HEAD = 10;
const KINDS: readonly RecordKind[] = ['start', 'event', 'call'];
/** A length beyond it is damage, not a record. */
const LONGEST = 64 * 1024 * 1024;

/** What every file of frames begins with: what it is, and the version of its format. */
export const FILE_HEADER = Buffer.from('voispl1\n');

/** Bytes that a frame takes at most; UTF-8 takes up to three for each unit of the text. */
export function frameRoom({ text, callId }: QueuedRecord): number {
  return HEAD + callId.length + text.length * 3;
}

/** Writes a record's frame into a buffer that has room for it; returns where it ends. */
export function writeFrame(target: Buffer, at: number, { kind, callId, text }: QueuedRecord): number {
  const idEnd = at + HEAD + target.write(callId, at + HEAD, 'latin1');
  return closeFrame(target, at, kind, callId.length, idEnd + target.write(text, idEnd));
}

/** A frame of a record that is bytes already. */
export function frameOf({ kind, callId, bytes }: SpooledRecord): Buffer {
  const frame = Buffer.allocUnsafe(HEAD + callId.length + bytes.length);
  frame.write(callId, HEAD, 'latin1');
  bytes.copy(frame, HEAD + callId.length);
  closeFrame(frame, 0, kind, callId.length, frame.length);
  return frame;
}

function closeFrame(target: Buffer, at: number, kind: RecordKind, idLength: number, end: number): number {
  target.writeUInt32LE(end - at - HEAD, at + 4);
  target[at + 8] = KINDS.indexOf(kind);
  target[at + 9] = idLength;
  target.writeUInt32LE(crc32c(target, at + 4, end), at);
  return end;
}

/** The records of a run of frames, up to the first that is not whole. `end` is where that one begins: the length, when all are. */
export interface Frames {
  readonly records: readonly SpooledRecord[];
  readonly end: number;
}

/**
 * Reads frames. The records share the buffer's memory. Never throws, whatever is in the buffer. `isTrusted`: it has not left this process, so that
 * its checksums need not be looked at.
 */
export function readFrames(buffer: Buffer, from: number, isTrusted = false): Frames {
  const records: SpooledRecord[] = [];
  let at = from;
  while (buffer.length - at >= HEAD) {
    const length = buffer.readUInt32LE(at + 4);
    const kind = KINDS[buffer[at + 8] ?? KINDS.length];
    const textAt = at + HEAD + (buffer[at + 9] ?? 0);
    const end = at + HEAD + length;
    const isPossible = length <= LONGEST && end <= buffer.length && textAt <= end;
    if (!isPossible || kind === undefined) break;
    if (!isTrusted && crc32c(buffer, at + 4, end) !== buffer.readUInt32LE(at)) break;
    records.push({ kind, callId: buffer.toString('latin1', at + HEAD, textAt), bytes: buffer.subarray(textAt, end) });
    at = end;
  }
  return { records, end: at };
}

/** Whether a file was written by another version of the spool: it is no damage. */
export function isOfOtherVersion(buffer: Buffer): boolean {
  return /^voispl[0-9]\n$/.test(buffer.toString('latin1', 0, FILE_HEADER.length)) && !isOfThisVersion(buffer);
}

function isOfThisVersion(buffer: Buffer): boolean {
  return buffer.subarray(0, FILE_HEADER.length).equals(FILE_HEADER);
}

/** Reads a whole file of frames; none when it does not begin as one. */
export function readFrameFile(buffer: Buffer): Frames {
  return isOfThisVersion(buffer) ? readFrames(buffer, FILE_HEADER.length) : { records: [], end: 0 };
}
