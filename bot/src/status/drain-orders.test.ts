import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@voiceoi/kernel';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keyOf, orderTo, ringOf } from '../../../test/services/sync-world.ts';
import { type DrainOrders, drainOrders } from './drain-orders.ts';

let folder: string;
let changes: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voiceoi-drain-'));
  changes = 0;
});
afterEach(async () => {
  // What is still being written would come back into a folder that is being removed.
  await Promise.all(started.splice(0).map((drains) => drains.saved()));
  rmSync(folder, { recursive: true, force: true });
});

const path = () => join(folder, 'kept', 'drain.json');
const started: DrainOrders[] = [];
const start = async (orgs: readonly string[] = ['abc'], nodeId = 'n1'): Promise<DrainOrders> => {
  const drains = await drainOrders(
    {
      nodeId,
      keys: ringOf(...orgs),
      path: path(),
      log: createLogger({ level: 'silent', mode: 'test' }),
    },
    () => {
      changes++;
    },
  );
  started.push(drains);
  return drains;
};

function nested(levels: number): unknown {
  return JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
}

describe('an order over the bus', () => {
  test('takes hold at once, and the one that was issued later counts', async () => {
    const drains = await start();
    expect(drains.isDraining('abc')).toBe(false);
    expect(drains.take('abc', orderTo('n1', 'draining', 5))).toBe('applied');
    expect(drains.isDraining('abc')).toBe(true);
    for (const seconds of [5, 4]) expect(drains.take('abc', orderTo('n1', 'active', seconds))).toBe('not_newer');
    expect(drains.isDraining('abc')).toBe(true);
    expect(drains.take('abc', orderTo('n1', 'active', 5.001))).toBe('applied');
    expect(drains.isDraining('abc')).toBe(false);
    expect(changes).toBe(2);
  });

  test.each([
    ['to another node', orderTo('n2', 'draining', 1), 'not_for_us'],
    ['of another organization', orderTo('n1', 'draining', 1, keyOf('other').key), 'not_for_us'],
    ['that is none', { type: 'order' }, 'not_for_us'],
    ['that was altered', { ...orderTo('n1', 'active', 1), state: 'draining' }, 'forged'],
    ['signed by somebody else under our name', { ...orderTo('n1', 'draining', 1), sig: 'a'.repeat(64) }, 'forged'],
    ['that nests without end', { ...orderTo('n1', 'draining', 1), x: nested(20_000) }, 'forged'],
    ['signed by a key that comes', orderTo('n1', 'draining', 1, keyOf('abc', 2).key), 'unknown_key'],
  ])('%s changes nothing', async (_name, order, verdict) => {
    const drains = await start();
    expect(drains.take('abc', order)).toBe(verdict);
    expect(drains.isDraining('abc')).toBe(false);
    expect(changes).toBe(0);
    expect(drains.take('abc', orderTo('n1', 'draining', 0))).toBe('applied');
  });

  test('property: however orders come, late, twice or out of order, the one that was issued last holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(20), { minLength: 1 }), async (at) => {
        rmSync(join(folder, 'kept'), { recursive: true, force: true });
        const drains = await start();
        for (const seconds of [...at, ...at])
          drains.take('abc', orderTo('n1', seconds % 2 ? 'draining' : 'active', seconds));
        expect(drains.isDraining('abc')).toBe(Math.max(...at) % 2 === 1);
        await drains.saved();
      }),
      { numRuns: 50 },
    );
  });

  test('is for its organization alone; all drain when each does, and none where there is none', async () => {
    const drains = await start(['abc', 'xyz']);
    drains.take('abc', orderTo('n1', 'draining', 1));
    expect([drains.isDraining('abc'), drains.isDraining('xyz'), drains.drainsAll()]).toEqual([true, false, false]);
    drains.take('xyz', orderTo('n1', 'draining', 1, keyOf('xyz').key));
    expect(drains.drainsAll()).toBe(true);
    expect((await start([])).drainsAll()).toBe(false);
  });
});

describe('an answer to a status', () => {
  test('wins over what was ordered before, and an older order does not come back after it', async () => {
    const drains = await start();
    drains.take('abc', orderTo('n1', 'draining', 5));
    drains.answered('abc', 'active', drains.applied('abc'));
    expect(drains.isDraining('abc')).toBe(false);
    expect(drains.take('abc', orderTo('n1', 'draining', 5))).toBe('not_newer');
    drains.answered('abc', 'draining', drains.applied('abc'));
    expect(drains.isDraining('abc')).toBe(true);
  });

  test('to a question from before an order does not undo it, and is asked for once more', async () => {
    const drains = await start();
    const then = drains.applied('abc');
    drains.take('abc', orderTo('n1', 'draining', 5));
    drains.answered('abc', 'active', then);
    expect(drains.isDraining('abc')).toBe(true);
    expect(changes).toBe(2);
  });
});

describe('what was ordered', () => {
  test('holds across a restart, readable by its owner alone', async () => {
    const drains = await start(['abc', 'xyz']);
    drains.take('abc', orderTo('n1', 'draining', 5));
    await drains.saved();
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    const again = await start(['abc', 'xyz']);
    expect([again.isDraining('abc'), again.isDraining('xyz')]).toEqual([true, false]);
    expect(again.take('abc', orderTo('n1', 'active', 5))).toBe('not_newer');
    again.answered('abc', 'active', again.applied('abc'));
    await again.saved();
    expect((await start()).isDraining('abc')).toBe(false);
  });

  test('is on the disk as it was last, however fast it changed', async () => {
    const drains = await start();
    for (let seconds = 1; seconds <= 21; seconds++)
      drains.take('abc', orderTo('n1', seconds % 2 === 1 ? 'draining' : 'active', seconds));
    await drains.saved();
    expect((await start()).isDraining('abc')).toBe(true);
    expect(readdirSync(join(folder, 'kept'))).toEqual(['drain.json']);
  });

  test('of another node in the same folder, and a damaged file, are nothing', async () => {
    const drains = await start();
    drains.take('abc', orderTo('n1', 'draining', 5));
    await drains.saved();
    expect((await start(['abc'], 'n2')).isDraining('abc')).toBe(false);
    writeFileSync(path(), readFileSync(path(), 'utf8').slice(0, -5));
    expect((await start()).isDraining('abc')).toBe(false);
  });

  test('takes hold also where it cannot be kept', async () => {
    writeFileSync(join(folder, 'kept'), 'a file where the folder would be');
    const drains = await start();
    drains.take('abc', orderTo('n1', 'draining', 5));
    await drains.saved();
    expect(drains.isDraining('abc')).toBe(true);
  });
});
