import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { campaignEntry, contentOf, scriptEntry } from '../../../test/services/sync-world.ts';
import type { BundleStore, StoredBundle } from './bundle-store.ts';
import { contentSha256 } from './content-hash.ts';
import { diskStore } from './disk-store.ts';
import { memoryStore } from './memory-store.ts';

const root = mkdtempSync(join(tmpdir(), 'voiceoi-bundles-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(root, String(folders++), 'bundles');

function stored(revision: number, rest: object = {}): StoredBundle {
  const full = { campaigns: [campaignEntry('123', 's', 1)], scripts: [scriptEntry('s', 1)] };
  const content = contentOf(revision, { ...full, ...rest });
  const secrets = [{ name: 'token', version: 1, sealed: { '1': 'x' } }];
  return { schema: 1, ...content, sha256: contentSha256(content), secrets, bus: { kind: 'stream' }, fallbacks: [] };
}
const empty = (revision: number): StoredBundle => stored(revision, { campaigns: [], scripts: [] });

describe.each<[string, () => BundleStore]>([
  ['on disk', () => diskStore(newFolder())],
  ['in memory', memoryStore],
])('a bundle store %s', (_name, open) => {
  test('has nothing at first', async () => {
    expect(await open().load('abc')).toEqual([]);
  });

  test('gives back what was kept as it was, newest first, in two generations', async () => {
    const store = open();
    for (const revision of [1, 2, 3]) await store.save('abc', stored(revision));
    expect(await store.load('abc')).toEqual([stored(3), stored(2)]);
  });

  test('keeps organizations apart', async () => {
    const store = open();
    await store.save('abc', stored(1));
    await store.save('abc-2', stored(2));
    expect(await store.load('abc')).toEqual([stored(1)]);
    expect(await store.load('abc-2')).toEqual([stored(2)]);
  });

  test('never lets an empty bundle replace one with something in it', async () => {
    const store = open();
    await store.save('abc', empty(1));
    expect(await store.load('abc')).toEqual([empty(1)]);
    await store.save('abc', stored(2));
    await store.save('abc', empty(3));
    expect((await store.load('abc'))[0]).toEqual(stored(2));
  });

  test('does not change with what was given to it', async () => {
    const store = open();
    const bundle = stored(1);
    await store.save('abc', bundle);
    const [first] = (await store.load('abc')) as { campaigns: { name: string }[] }[];
    for (const campaign of first?.campaigns ?? []) campaign.name = 'changed';
    expect(await store.load('abc')).toEqual([stored(1)]);
  });
});

describe('bundles on disk', () => {
  test('are files that their owner alone can read, and no temporary file stays', async () => {
    const folder = newFolder();
    const store = diskStore(folder);
    await store.save('abc', stored(1));
    await store.save('abc', stored(2));
    expect(readdirSync(folder).sort()).toEqual(['abc.bundle', 'abc.bundle.previous']);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test('say what they hold in their first line', async () => {
    const folder = newFolder();
    await diskStore(folder).save('abc', stored(7));
    const [head = ''] = readFileSync(join(folder, 'abc.bundle'), 'utf8').split('\n');
    expect(JSON.parse(head)).toMatchObject({ format: 1, epoch: 'e1', revision: 7, sha256: stored(7).sha256 });
  });

  test('cut off at any byte, or with any byte changed, give way to the generation before', async () => {
    const folder = newFolder();
    const store = diskStore(folder);
    await store.save('abc', stored(1));
    await store.save('abc', stored(2));
    const path = join(folder, 'abc.bundle');
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length++) {
      truncateSync(path, 0);
      writeFileSync(path, whole.subarray(0, length));
      expect(await store.load('abc'), `cut at ${length}`).toEqual([stored(1)]);
    }
    const bodyAt = whole.indexOf('\n');
    for (let at = bodyAt; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(path, damaged);
      expect(await store.load('abc'), `changed at ${at}`).toEqual([stored(1)]);
    }
    writeFileSync(path, Buffer.concat([whole, Buffer.from('more')]));
    expect(await store.load('abc')).toEqual([stored(1)]);
  });

  test('of which the newest is damaged do not lose the good one to the next save', async () => {
    const folder = newFolder();
    const store = diskStore(folder);
    await store.save('abc', stored(1));
    await store.save('abc', stored(2));
    writeFileSync(join(folder, 'abc.bundle'), 'rubbish');
    await store.save('abc', empty(3));
    expect(await store.load('abc')).toEqual([stored(1)]);
    await store.save('abc', stored(4));
    expect(await store.load('abc')).toEqual([stored(4), stored(1)]);
  });

  test('that were about to be replaced as the process was killed are there as the generation before', async () => {
    const folder = newFolder();
    const store = diskStore(folder);
    await store.save('abc', stored(1));
    // As after the rename and before the new file: what a kill between the two leaves, with a half-written temporary file.
    await store.save('abc', stored(2));
    rmSync(join(folder, 'abc.bundle'));
    writeFileSync(join(folder, 'abc.bundle.0f0f0f.tmp'), 'half of a bun');
    expect(await store.load('abc')).toEqual([stored(1)]);
    await store.save('abc', stored(3));
    expect(await store.load('abc')).toEqual([stored(3), stored(1)]);
    expect(existsSync(join(folder, 'abc.bundle'))).toBe(true);
  });

  test('of a format that came later are left alone', async () => {
    const folder = newFolder();
    const store = diskStore(folder);
    await store.save('abc', stored(1));
    const path = join(folder, 'abc.bundle');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"format":1', '"format":2'));
    expect(await store.load('abc')).toEqual([]);
  });
});
