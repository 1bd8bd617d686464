import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BundleStore } from './bundle-store.ts';
import { diskStore } from './disk-store.ts';
import { memoryStore } from './memory-store.ts';
import { testBundle, testContent } from './sync.test-data.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voiceoi-store-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bundle = (revision: number) => testBundle(testContent(revision));
const STORES: readonly (readonly [string, () => BundleStore])[] = [
  ['on disk', () => diskStore(join(folder, 'new', 'bundles'))],
  ['in memory', memoryStore],
];

describe.each(STORES)('a store of bundles %s', (_name, make) => {
  test('has nothing at first, then the last that was saved, for each organization', async () => {
    const store = make();
    expect(await store.load('abc')).toBeUndefined();
    await store.save('abc', bundle(1));
    await store.save('abc', bundle(2));
    await store.save('other', bundle(7));
    expect(await store.load('abc')).toEqual(bundle(2));
    expect(await store.load('other')).toEqual(bundle(7));
  });
});

describe('bundles on disk', () => {
  const path = (): string => join(folder, 'abc.bundle');

  test('are there for the next process, readable by nobody else', async () => {
    await diskStore(folder).save('abc', bundle(1));
    expect(await diskStore(folder).load('abc')).toEqual(bundle(1));
    expect(statSync(path()).mode & 0o777).toBe(0o600);
  });

  test('fall back one generation when the newest is cut off or altered anywhere', async () => {
    const store = diskStore(folder);
    await store.save('abc', bundle(1));
    await store.save('abc', bundle(2));
    const whole = readFileSync(path());
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(path(), whole.subarray(0, length));
      expect(await store.load('abc')).toEqual(bundle(1));
    }
    for (let at = 0; at < whole.length; at += 11) {
      const altered = Buffer.from(whole);
      altered[at] = (altered[at] ?? 0) ^ 1;
      writeFileSync(path(), altered);
      expect([1, 2]).toContain(((await store.load('abc')) as { revision: number }).revision);
    }
  });

  test('never let a damaged generation push out the good one before it', async () => {
    const store = diskStore(folder);
    await store.save('abc', bundle(1));
    await store.save('abc', bundle(2));
    writeFileSync(path(), 'damaged');
    await store.save('abc', bundle(3));
    writeFileSync(path(), 'damaged again');
    expect(await store.load('abc')).toEqual(bundle(1));
  });
});
