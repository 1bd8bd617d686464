import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { keyOf } from '../../../test/services/sync-world.ts';
import { FolderOfKeys, watchKeysFolder } from './watch-folder.ts';

const [first, second] = [keyOf('abc').text, keyOf('abc', 2).text];
const other = keyOf('other').text;
let path: string;
let told: (readonly string[])[];
let lines: string[];
let unwatch: () => void = () => {};
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'voiceoi-watch-'));
  told = [];
  lines = [];
});
afterEach(() => {
  unwatch();
  rmSync(path, { recursive: true, force: true });
});

const start = (): void => {
  const log = pino({}, { write: (line) => void lines.push(line) });
  unwatch = watchKeysFolder({ path, onKeys: (keys) => told.push(keys), log, everyMs: 10 });
};
const write = (name: string, ...keys: readonly string[]): void => writeFileSync(join(path, name), keys.join('\n'));
const become = (...keys: readonly string[]) => vi.waitFor(() => expect(told.at(-1)).toEqual(keys), 5000);

/** As the kubelet does: a folder of its own for each version, and one link that is swapped. */
let versions = 0;
function mount(files: { readonly [name: string]: string }): void {
  const version = `..version-${versions++}`;
  mkdirSync(join(path, version));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, version, name), text);
  symlinkSync(version, join(path, '..data_tmp'));
  renameSync(join(path, '..data_tmp'), join(path, '..data'));
}
const link = (name: string): void => symlinkSync(join('..data', name), join(path, name));

describe('a folder of keys that is watched', () => {
  test('gives what it holds, then each change: another key, another organization, one that went', async () => {
    write('abc', first);
    start();
    await become(first);
    write('abc', second, first);
    await become(second, first);
    write('other', other);
    await become(second, first, other);
    rmSync(join(path, 'abc'));
    await become(other);
    expect(told).toHaveLength(4);
  });

  test('may be empty at first', async () => {
    start();
    await become();
    write('abc', first);
    await become(first);
  });

  test('is followed through the swap of links that a mounted Secret is', async () => {
    mount({ abc: first });
    link('abc');
    start();
    await become(first);
    mount({ abc: `${second}\n${first}\n`, other });
    await become(second, first);
    link('other');
    await become(second, first, other);
    mount({ other });
    await become(other);
    rmSync(join(path, 'abc'));
    expect(told.at(-1)).toEqual([other]);
    expect(lines).toEqual([]);
  });

  test('keeps the keys of an organization whose file is damaged, says so once without a key, and takes up the others', async () => {
    write('abc', first);
    start();
    await become(first);
    write('abc', `${second.slice(0, -1)}`);
    write('other', other);
    await become(first, other);
    write('abc', '');
    await vi.waitFor(() => expect(lines).toHaveLength(1));
    expect(lines[0]).not.toContain('voi_');
    write('abc', second);
    await become(second, other);
  });

  test('takes a file that is missing once for one that is being changed, and one that is missing twice for gone', async () => {
    const never = new AbortController().signal;
    const folder = new FolderOfKeys({ path, onKeys: (keys) => told.push(keys), log: pino({ level: 'silent' }) });
    write('abc', first);
    await folder.look(never);
    rmSync(join(path, 'abc'));
    await folder.look(never);
    expect(told).toEqual([[first]]);
    write('abc', second);
    await folder.look(never);
    rmSync(join(path, 'abc'));
    await folder.look(never);
    expect(told).toEqual([[first], [second]]);
    await folder.look(never);
    expect(told).toEqual([[first], [second], []]);
  });

  test('keeps all keys while it cannot be read', async () => {
    write('abc', first);
    start();
    await become(first);
    renameSync(path, `${path}-away`);
    await vi.waitFor(() => expect(lines.join()).toContain('cannot be read'));
    expect(told).toEqual([[first]]);
    renameSync(`${path}-away`, path);
    write('abc', second);
    await become(second);
  });
});
