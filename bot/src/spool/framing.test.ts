import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32c } from './crc32c.ts';
import { FILE_HEADER, frameOf, frameRoom, readFrameFile, readFrames, writeFrame } from './framing.ts';
import type { QueuedRecord } from './record.ts';
import { fileOf } from './segment.ts';

const queued: fc.Arbitrary<QueuedRecord> = fc.record({
  text: fc.string({ unit: 'binary', maxLength: 300 }),
  kind: fc.constantFrom('start', 'event', 'call'),
  callId: fc.stringMatching(/^[0-9a-f-]{0,36}$/),
});
const spooled = queued.map(({ text, kind, callId }) => ({ bytes: Buffer.from(text), kind, callId }));
const several = fc.array(spooled, { maxLength: 8 });

test('the checksum is that of RFC 3720, whatever the length and wherever it begins', () => {
  expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32), 0, 32)).toBe(0x8a9136aa);
  expect(crc32c(Buffer.alloc(32, 0xff), 0, 32)).toBe(0x62a8ab43);
  expect(crc32c(Buffer.from('xx123456789yy'), 2, 11)).toBe(0xe3069283);
});

describe('frames', () => {
  test('give back what was put into them, in the room that they asked for', () => {
    fc.assert(
      fc.property(fc.array(queued, { maxLength: 8 }), (records) => {
        const buffer = Buffer.alloc(records.reduce((sum, record) => sum + frameRoom(record), 0));
        const end = records.reduce((at, record) => writeFrame(buffer, at, record), 0);
        const read = readFrames(buffer.subarray(0, end), 0);
        expect(read.end).toBe(end);
        expect(read.records).toEqual(records.map(({ text, ...rest }) => ({ ...rest, bytes: Buffer.from(text) })));
        expect(Buffer.concat(read.records.map(frameOf))).toEqual(buffer.subarray(0, end));
      }),
    );
  });

  test('of a file that was cut off anywhere are the first of it', () => {
    fc.assert(
      fc.property(several, fc.nat(), (records, cut) => {
        const file = fileOf(records);
        const length = cut % (file.length + 1);
        const read = readFrameFile(file.subarray(0, length));
        expect(read.records).toEqual(records.slice(0, read.records.length));
        expect(read.end).toBeLessThanOrEqual(length);
        if (length === file.length) expect(read.records).toHaveLength(records.length);
      }),
    );
  });

  test('of a file with any bit flipped are those before the damage', () => {
    fc.assert(
      fc.property(several, fc.nat(), (records, where) => {
        const file = fileOf(records);
        const bit = where % (file.length * 8);
        const byte = Math.floor(bit / 8);
        file[byte] = (file[byte] ?? 0) ^ (1 << (bit % 8));
        const read = readFrameFile(file);
        expect(read.records).toEqual(records.slice(0, read.records.length));
        expect(read.records.length).toBeLessThan(Math.max(records.length, 1));
        expect(read.end).toBeLessThanOrEqual(byte);
      }),
    );
  });

  test('are not made out of noise, nor of the zeros that a crash can leave', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(readFrameFile(Buffer.concat([FILE_HEADER, bytes])).records).toEqual([]);
      }),
    );
    expect(readFrames(Buffer.alloc(4096), 0)).toEqual({ records: [], end: 0 });
  });
});
