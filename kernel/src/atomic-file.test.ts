import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeFileAtomic } from './atomic-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voiceoi-atomic-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('replacing a file', () => {
  test('leaves the new content, mode 0600 and no temporary file', async () => {
    const path = join(folder, 'x.json');
    await writeFileAtomic(path, 'old');
    await writeFileAtomic(path, 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['x.json']);
  });

  test('leaves the old content when it fails', async () => {
    const path = join(folder, 'taken');
    await writeFileAtomic(join(folder, 'other'), 'x');
    await expect(writeFileAtomic(join(path, 'missing-folder', 'x'), 'new')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(folder)).toEqual(['other']);
  });

  test('gives every reader one whole content while many writers race', async () => {
    const path = join(folder, 'raced');
    const contents = Array.from({ length: 20 }, (_, index) => String(index).repeat(10_000));
    await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
  });
});
