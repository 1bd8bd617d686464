import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { keyOf } from '../../../test/services/sync-world.ts';
import { readKeysFolder } from './keys-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'voiceoi-keys-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const abc = keyOf('abc').text;
const second = keyOf('abc', 2).text;
const other = keyOf('other', 3).text;
const folder = (files: { readonly [name: string]: string }): string => {
  const path = mkdtempSync(join(root, 'keys-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
};
const names = async (path: string) => (await readKeysFolder(path)).problems.map(({ name }) => name);

test('a folder gives every key of each organization in the order of its lines; names with a dot are passed over', async () => {
  const path = folder({ abc: `${second}\r\n${abc}\n\n`, other, '..data': 'x' });
  mkdirSync(join(path, '.hidden'));
  expect(await readKeysFolder(path)).toEqual({ keys: [second, abc, other], problems: [] });
});

test('a folder may be empty, or not be asked for, and a link that leads nowhere is no file', async () => {
  const path = folder({});
  symlinkSync(join(path, '..data', 'abc'), join(path, 'abc'));
  expect(await readKeysFolder(path)).toEqual({ keys: [], problems: [] });
  expect(await readKeysFolder(undefined)).toEqual({ keys: [], problems: [] });
});

test.each([{ abc: other }, { abc: 'rubbish' }, { abc: '' }, { abc: `${abc}\nrubbish` }, { abc: `${abc}\n${other}` }])(
  'a folder with %j is a problem that shows no key',
  async (files) => {
    const { keys, problems } = await readKeysFolder(folder(files));
    expect(keys).toEqual([]);
    expect(problems).toMatchObject([{ name: 'SYNC_SECRET_KEYS_DIR', message: expect.stringContaining('abc') }]);
    expect(JSON.stringify(problems)).not.toContain('voi_');
  },
);

test('a folder that is not there is a problem, and so is one that holds a folder', async () => {
  expect(await names(join(root, 'none'))).toEqual(['SYNC_SECRET_KEYS_DIR']);
  const path = folder({});
  mkdirSync(join(path, 'abc'));
  expect(await names(path)).toEqual(['SYNC_SECRET_KEYS_DIR']);
});
