import { describe, expect, test } from 'vitest';
import { callEvent } from '../../../test/services/records.ts';
import { DatabaseAway, DatabaseError } from '../database/index.ts';
import { startIngest } from './ingest.ts';
import { parseBatch, type StorableRecord } from './parse.ts';
import type { StoreBatches } from './store.ts';
import { timeBounds } from './uuid-day.ts';

const batchOf = (count: number): readonly StorableRecord[] =>
  parseBatch(
    Array.from({ length: count }, () => callEvent()),
    'abc',
    timeBounds(Date.now(), 90),
  ).records;

/** A store that stands still until it is let go, and says which transactions it was asked for, by their batches' sizes. */
function heldStore() {
  const asked: (readonly number[])[] = [];
  const waiting: (() => void)[] = [];
  const store: StoreBatches = async (batches) => {
    asked.push(batches.map(({ length }) => length));
    await new Promise<void>((resolve) => waiting.push(resolve));
    return batches.map(({ length }) => length);
  };
  return { store, asked, letGo: () => waiting.shift()?.() };
}

describe('batches of many nodes', () => {
  test('go at once while nothing runs, and together when a transaction ends', async () => {
    const { store, asked, letGo } = heldStore();
    const ingest = startIngest(store);
    const answers = [1, 2, 3, 4].map((count) => ingest.add(batchOf(count)));
    expect(asked).toEqual([[1]]);
    letGo();
    await answers[0];
    await expect.poll(() => asked).toEqual([[1], [2, 3, 4]]);
    letGo();
    expect((await Promise.all(answers)).map(({ accepted }) => accepted)).toEqual([1, 2, 3, 4]);
  });

  test('do not wait longer than a moment for a transaction that takes its time', async () => {
    const { store, asked, letGo } = heldStore();
    const ingest = startIngest(store);
    const startedAt = performance.now();
    const answers = [1, 2].map((count) => ingest.add(batchOf(count)));
    await expect.poll(() => asked, { interval: 5 }).toEqual([[1], [2]]);
    expect(performance.now() - startedAt).toBeGreaterThan(40);
    letGo();
    letGo();
    await Promise.all(answers);
  });

  test('go when they are enough for a transaction, but not in more than four at once', async () => {
    const { store, asked, letGo } = heldStore();
    const ingest = startIngest(store);
    const answers = Array.from({ length: 12 }, () => ingest.add(batchOf(1000)));
    expect(asked).toEqual([[1000], [1000, 1000], [1000, 1000], [1000, 1000]]);
    for (let count = 4; count <= 7; count++) {
      letGo();
      if (count < 7) await expect.poll(() => asked.length).toBe(Math.min(count + 1, 7));
    }
    for (let count = 0; count < 4; count++) letGo();
    await Promise.all(answers);
    expect(asked.flat()).toHaveLength(12);
    expect(Math.max(...asked.map(({ length }) => length))).toBe(2);
  });

  test('of which one cannot be stored cost nobody else anything', async () => {
    const poison = batchOf(3);
    const failing: StoreBatches = async (batches) => {
      await new Promise(setImmediate);
      if (batches.includes(poison)) throw new DatabaseError('no', '42P01', undefined, undefined);
      return batches.map(({ length }) => length);
    };
    const ingest = startIngest(failing);
    const answers = await Promise.allSettled([batchOf(1), batchOf(2), poison, batchOf(4)].map(ingest.add));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  });

  test('lose the one record that the database refuses, and name it', async () => {
    const batch = batchOf(9);
    const bad = batch[6];
    const refusing: StoreBatches = async (batches) => {
      if (batches.flat().some(({ index }) => index === bad?.index))
        throw new DatabaseError('no', '22003', undefined, undefined);
      return batches.map(({ length }) => length);
    };
    expect(await startIngest(refusing).add(batch)).toMatchObject({ accepted: 8, refused: [{ index: 6 }] });
  });

  test('are all given back when the database is away, without asking it for each', async () => {
    let asked = 0;
    const away: StoreBatches = async () => {
      asked++;
      await new Promise(setImmediate);
      throw new DatabaseAway(new Error('gone'));
    };
    const ingest = startIngest(away);
    const answers = await Promise.allSettled([1, 2, 3].map((count) => ingest.add(batchOf(count))));
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(asked).toBe(2);
  });

  test('that are empty need no database', async () => {
    const { store, asked } = heldStore();
    expect(await startIngest(store).add([])).toEqual({ accepted: 0, refused: [] });
    expect(asked).toEqual([]);
  });
});
