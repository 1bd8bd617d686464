import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { lockFolder } from './folder-lock.ts';

const root = mkdtempSync(join(tmpdir(), 'voiceoi-lock-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function folder(name: string): string {
  const path = join(root, name);
  mkdirSync(path, { recursive: true });
  return path;
}

describe('lock of a folder', () => {
  test('is had by one at a time, and can be had again after its release', async () => {
    const path = folder('one');
    const first = await lockFolder(path);
    expect(first).toBeDefined();
    expect(await lockFolder(path)).toBeUndefined();
    await first?.release();
    const second = await lockFolder(path);
    expect(second).toBeDefined();
    await second?.release();
  });

  test('does not outlive a process that was killed', async () => {
    const path = folder('killed');
    const module = join(import.meta.dirname, 'folder-lock.ts');
    const script = `const { lockFolder } = await import(${JSON.stringify(module)}); console.log((await lockFolder(${JSON.stringify(path)})) ? 'locked' : 'refused'); setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = await once(holder.stdout, 'data');
    expect(String(said)).toBe('locked\n');
    expect(await lockFolder(path)).toBeUndefined();
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const lock = await lockFolder(path);
    expect(lock).toBeDefined();
    await lock?.release();
  });

  test('works for a folder whose path is longer than a socket may have', async () => {
    const path = folder(join(...Array.from({ length: 6 }, () => 'a-folder-with-a-long-name')));
    const lock = await lockFolder(path);
    expect(lock).toBeDefined();
    expect(await lockFolder(path)).toBeUndefined();
    await lock?.release();
  });
});
