import { sealSecret } from '@voiceoi/kernel';
import { describe, expect, test } from 'vitest';
import { keyOf } from '../../../test/services/sync-world.ts';
import { NO_SECRETS, openSecrets } from './open-secrets.ts';

/** An entry of a bundle, sealed for these generations. */
const entry = (name: string, value: string, generations: readonly number[] = [1], version = 1) => ({
  name,
  version,
  sealed: Object.fromEntries(
    generations.map((generation) => [
      String(generation),
      sealSecret(keyOf('abc', generation).key, { orgId: 'abc', name, version }, value),
    ]),
  ),
});
const holding =
  (...held: readonly number[]) =>
  (kid: string) =>
    held.includes(Number(kid)) ? keyOf('abc', Number(kid)).key : undefined;

describe('secrets of a bundle', () => {
  test('are opened with whichever key is held', () => {
    const entries = [entry('a', 'x', [1, 2]), entry('b', 'y', [2])];
    expect(openSecrets('abc', entries, holding(2), NO_SECRETS).values).toEqual(
      new Map([
        ['a', 'x'],
        ['b', 'y'],
      ]),
    );
    const half = openSecrets('abc', entries, holding(1), NO_SECRETS);
    expect(half).toMatchObject({ values: new Map([['a', 'x']]), closed: ['b'] });
  });

  test('that no key opens keep the value that they had, if it is of the same version', () => {
    const before = openSecrets('abc', [entry('a', 'x'), entry('b', 'y')], holding(1), NO_SECRETS);
    const after = openSecrets('abc', [entry('a', 'x'), entry('b', 'new', [1], 2)], holding(2), before);
    expect(after).toMatchObject({ values: new Map([['a', 'x']]), closed: ['a', 'b'] });
  });

  test('that were deleted are gone', () => {
    const before = openSecrets('abc', [entry('a', 'x')], holding(1), NO_SECRETS);
    expect(openSecrets('abc', [], holding(1), before)).toEqual(NO_SECRETS);
  });

  test('of another name, version, organization or shape do not open, and keep no others from opening', () => {
    const good = entry('good', 'x');
    const renamed = { ...entry('a', 'x'), name: 'renamed' };
    const newer = { ...entry('newer', 'x'), version: 2 };
    const shapeless = { name: 'shapeless', sealed: 7 };
    const opened = openSecrets('abc', [renamed, newer, shapeless, good], holding(1), NO_SECRETS);
    expect(opened).toMatchObject({ values: new Map([['good', 'x']]), closed: ['renamed', 'newer', 'shapeless'] });
    expect(openSecrets('xyz', [good], holding(1), NO_SECRETS).values.size).toBe(0);
  });
});
