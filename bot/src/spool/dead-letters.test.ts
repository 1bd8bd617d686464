import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DeadLetters } from './dead-letters.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voiceoi-dead-letters-'));
  path = join(folder, 'dead-letters.ndjson');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const letter = (n: number) => ({
  record: { kind: 'event' as const, callId: 'c', bytes: Buffer.from(JSON.stringify({ n, padding: 'x'.repeat(400) })) },
  reason: { code: 'SCHEMA' },
});

test('the oldest dead letters go when there are too many; all that came are counted', async () => {
  const letters = new DeadLetters(path, 4000);
  for (let n = 0; n < 20; n++) await letters.add([letter(n)]);
  expect(letters.count).toBe(20);
  const files = readdirSync(folder).sort();
  expect(files).toEqual(['dead-letters.ndjson', 'dead-letters.older.ndjson']);
  const sizes = files.map((name) => statSync(join(folder, name)).size);
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(4000);
  const lines = files.reverse().flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'));
  const kept = lines.map((line) => JSON.parse(line).record.n);
  expect(kept).toEqual([12, 13, 14, 15, 16, 17, 18, 19].slice(-kept.length));
  expect(kept.length).toBeGreaterThan(3);
  const again = new DeadLetters(path, 4000);
  await again.load();
  expect(again.count).toBe(kept.length);
});
