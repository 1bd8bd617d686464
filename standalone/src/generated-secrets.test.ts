import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keepSecrets } from './generated-secrets.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voiceoi-secrets-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('secrets of an installation', () => {
  test('are made once, long enough, private, and the same at the next start', async () => {
    const made = await keepSecrets(folder);
    expect(made.jwt_secret.length).toBeGreaterThanOrEqual(32);
    expect(made.sync_secret_salt).not.toBe(made.jwt_secret);
    expect(statSync(join(folder, 'secrets.json')).mode & 0o777).toBe(0o600);
    expect(await keepSecrets(folder)).toEqual(made);
  });

  test('are never replaced when the file is damaged', async () => {
    const path = join(folder, 'secrets.json');
    writeFileSync(path, '{"jwt_secret":"short"');
    await expect(keepSecrets(folder)).rejects.toMatchObject({ code: 'SETTINGS', problems: [{ name: 'DATA_DIR' }] });
    expect(readFileSync(path, 'utf8')).toBe('{"jwt_secret":"short"');
  });
});
