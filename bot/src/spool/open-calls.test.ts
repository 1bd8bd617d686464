import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OpenCalls } from './open-calls.ts';
import type { SpooledRecord } from './record.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voiceoi-open-calls-'));
  path = join(folder, 'abc', 'open-calls');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const start = (callId: string, bytes = 10): SpooledRecord => ({
  kind: 'start',
  callId,
  bytes: Buffer.alloc(bytes, callId),
});
const end = (callId: string): SpooledRecord => ({ kind: 'call', callId, bytes: Buffer.from('its record') });
const known = async () => (await new OpenCalls(path).load()).map(({ callId }) => callId);

describe('open calls', () => {
  test('are remembered with their start until they end', async () => {
    const calls = new OpenCalls(path);
    await calls.add([start('a'), start('b')]);
    await calls.add([end('a'), start('c')]);
    expect([calls.has('a'), calls.has('b')]).toEqual([false, true]);
    expect(await new OpenCalls(path).load()).toEqual([start('b'), start('c')]);
  });

  test('take no more room than those that are open, over a long time', async () => {
    const calls = new OpenCalls(path);
    await calls.add([start('long')]);
    for (let n = 0; n < 40; n++) {
      await calls.add([start(`${n}`, 20_000)]);
      await calls.add([end(`${n}`)]);
    }
    expect(statSync(path).size).toBeLessThan(300_000);
    expect(await known()).toEqual(['long']);
  });

  test('are known up to the damage that a crash has left', async () => {
    await new OpenCalls(path).add([start('a'), start('b')]);
    truncateSync(path, statSync(path).size - 1);
    expect(await known()).toEqual(['a']);
  });

  test('are none once they all have their record', async () => {
    const calls = new OpenCalls(path);
    await calls.add([start('a')]);
    await calls.clear();
    expect(await known()).toEqual([]);
    await calls.add([start('b')]);
    expect(await known()).toEqual(['b']);
  });

  test('are known that come after damage', async () => {
    await new OpenCalls(path).add([start('a'), start('b')]);
    truncateSync(path, statSync(path).size - 1);
    const after = new OpenCalls(path);
    await after.load();
    await after.add([start('c')]);
    expect(await known()).toEqual(['a', 'c']);
  });
});
