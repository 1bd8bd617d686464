import { expect, test } from 'vitest';
import { rateLimit } from './rate-limit.ts';

test('an organization has one second’s worth at once, then as many as it may have in a second', () => {
  let now = 0;
  const limit = rateLimit(() => now);
  const taken = (tries: number): number =>
    Array.from({ length: tries }, () => limit.take('abc', 10)).filter((wait) => wait === undefined).length;
  expect(taken(20)).toBe(10);
  expect(limit.take('abc', 10)).toBe(1);
  now += 500;
  expect(taken(20)).toBe(5);
  now += 60_000;
  expect(taken(20)).toBe(10);
});

test('one organization takes nothing from another', () => {
  const limit = rateLimit(() => 0);
  expect([limit.take('abc', 1), limit.take('abc', 1), limit.take('def', 1)]).toEqual([undefined, 1, undefined]);
});

test('a lower limit counts at once', () => {
  const limit = rateLimit(() => 0);
  limit.take('abc', 100);
  expect([limit.take('abc', 1), limit.take('abc', 1)]).toEqual([undefined, 1]);
});
