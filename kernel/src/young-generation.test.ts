import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Fills the young generation with what survives a while, in turns as a server would; prints its largest size in MiB. */
const FILL = `
  const { boundYoungGeneration } = await import(process.argv[1]);
  const { getHeapSpaceStatistics } = await import('node:v8');
  if (process.argv[2] === 'bound') boundYoungGeneration(32);
  const kept = [];
  let most = 0;
  for (let turn = 0; turn < 300; turn++) {
    for (let index = 0; index < 10000; index++) kept[index] = { turn, list: [index, turn], text: 'x' + index };
    const { space_size } = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    most = Math.max(most, space_size);
    await new Promise(setImmediate);
  }
  console.log(most / 1024 / 1024);
`;

function fill(...words: readonly string[]): number {
  const module = join(import.meta.dirname, 'young-generation.ts');
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', FILL, module, ...words]);
  return Number(output.toString());
}

test('the young generation stays within its bound, which it would not by itself', () => {
  expect(fill('bound')).toBeLessThanOrEqual(32);
  expect(fill()).toBeGreaterThan(32);
});
