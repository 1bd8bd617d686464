import { describe, expect, test } from 'vitest';
import { byteBudget } from './budget.ts';

describe('a budget', () => {
  test('gives what there is room for, and takes it back', () => {
    const budget = byteBudget(100, 100);
    const a = budget.take('a', 60);
    expect(budget.take('b', 41)).toBeUndefined();
    expect(budget.take('b', 40)).toBeDefined();
    a?.release();
    expect(budget.take('c', 60)).toBeDefined();
    expect(budget.take('c', 1)).toBeUndefined();
  });

  test('gives nobody more than their part', () => {
    const budget = byteBudget(100, 60);
    const a = budget.take('a', 50);
    expect(budget.take('a', 11)).toBeUndefined();
    expect(budget.take('b', 11)).toBeDefined();
    a?.release();
    expect(budget.take('a', 60)).toBeDefined();
  });

  test('takes back only once, and what it became', () => {
    const budget = byteBudget(100, 100);
    const share = budget.take('a', 10);
    share?.resize(90);
    expect(budget.take('b', 11)).toBeUndefined();
    share?.release();
    share?.release();
    share?.resize(50);
    expect(budget.take('b', 100)).toBeDefined();
    expect(budget.take('c', 1)).toBeUndefined();
  });
});
