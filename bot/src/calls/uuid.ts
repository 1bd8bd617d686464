import { createHash, randomFillSync } from 'node:crypto';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const RANDOM_BYTES = 10;
/** Random bytes are drawn for many ids at once: a system call for each would be the dearest part of a record. */
const pool = Buffer.allocUnsafe(RANDOM_BYTES * 512);
let used = pool.length;
let prefixMs = -1;
let prefix = '';

/** UUIDv7 (RFC 9562): 48 bits of time, 74 random ones. */
export function uuidv7(): string {
  if (used >= pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const now = Date.now();
  if (now !== prefixMs) {
    prefixMs = now;
    const time = now.toString(16).padStart(12, '0');
    prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
  }
  const byte = (index: number): number => pool[used + index] ?? 0;
  const hex = (index: number): string => HEX[byte(index)] ?? '';
  const version = (byte(0) & 0x0f).toString(16);
  const variant = HEX[(byte(2) & 0x3f) | 0x80] ?? '';
  const id = `${prefix}${version}${hex(1)}-${variant}${hex(3)}-${hex(4)}${hex(5)}${hex(6)}${hex(7)}${hex(8)}${hex(9)}`;
  used += RANDOM_BYTES;
  return id;
}

/**
 * The id of a record that follows from its call: the same on every node that writes it, so that it is stored once. A UUIDv7 of the call's own time,
 * since it is by that time that the master finds what it has already.
 */
export function recordIdOf(callId: string, type: string, seq: number): string {
  const hash = createHash('sha256').update(`${callId}/${type}/${seq}`).digest();
  const hex = hash.toString('hex');
  const variant = HEX[((hash[2] ?? 0) & 0x3f) | 0x80] ?? '';
  return `${callId.slice(0, 14)}7${hex.slice(0, 3)}-${variant}${hex.slice(6, 8)}-${hex.slice(8, 20)}`;
}
