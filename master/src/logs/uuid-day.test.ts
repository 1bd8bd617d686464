import { describe, expect, test } from 'vitest';
import { dayOf, partitionDay, shiftDay, timeBounds, uuidTime } from './uuid-day.ts';

const ID = '01936f5e-0000-7000-8000-000000000000';
const MADE = 0x01936f5e0000 + 1000;

describe('the day of a UUIDv7', () => {
  test('is that of its first 48 bits', () => {
    expect(uuidTime(ID)).toBe(0x01936f5e0000);
    expect(dayOf(0x01936f5e0000)).toBe(new Date(0x01936f5e0000).toISOString().slice(0, 10));
  });

  test.each([
    ['01936f5e-0000-4000-8000-000000000000', 'version 4'],
    ['01936f5e-0000-7000-c000-000000000000', 'another variant'],
    ['', 'nothing'],
  ])('is not told by %s (%s)', (id) => expect(uuidTime(id)).toBeUndefined());

  test('begins and ends at midnight in UTC', () => {
    expect(dayOf(Date.parse('2026-11-24T00:00:00.000Z'))).toBe('2026-11-24');
    expect(dayOf(Date.parse('2026-11-24T23:59:59.999Z'))).toBe('2026-11-24');
    expect(dayOf(Date.parse('2026-11-23T23:59:59.999Z'))).toBe('2026-11-23');
  });

  test('can be counted from', () => {
    expect(shiftDay('2026-03-01', -1)).toBe('2026-02-28');
    expect(shiftDay('2026-12-31', 1)).toBe('2027-01-01');
  });

  test('leads to one partition, if it can be true', () => {
    expect(partitionDay(ID, MADE)).toBe(dayOf(0x01936f5e0000));
    expect(partitionDay('00000000-0000-7000-8000-000000000000', MADE)).toBeUndefined();
    expect(partitionDay('ffffffff-ffff-7000-8000-000000000000', MADE)).toBeUndefined();
    expect(partitionDay('01936f5e-0000-4000-8000-000000000000', MADE)).toBeUndefined();
  });
});

describe('the time in which records are taken', () => {
  const now = Date.parse('2026-11-24T08:00:00.000Z');
  test('reaches from the first day that is kept to a day ahead', () => {
    expect(timeBounds(now, 90)).toEqual({
      fromMs: Date.parse('2026-08-26T00:00:00.000Z'),
      toMs: Date.parse('2026-11-25T08:00:00.000Z'),
    });
  });
  test('has no beginning that matters when all is kept', () => {
    expect(timeBounds(now, 0).fromMs).toBe(Date.parse('2020-01-01T00:00:00.000Z'));
  });
});
