import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoff } from './backoff.ts';

describe('back-off', () => {
  test('doubles up to its bound and starts over after a reset', () => {
    const waits = backoff({ random: () => 0.999999999 });
    expect(Array.from({ length: 7 }, () => waits.next())).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    waits.reset();
    expect(waits.next()).toBe(1000);
  });

  test('takes 50 to 100 % of each wait, whatever the dice say', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (dice) => {
        const waits = backoff({ initialMs: 100, maxMs: 400, random: () => dice });
        for (const base of [100, 200, 400, 400]) {
          const wait = waits.next();
          expect(wait).toBeGreaterThanOrEqual(base / 2);
          expect(wait).toBeLessThanOrEqual(base);
        }
      }),
    );
  });
});
