/** Places of an item in both lists; one is undefined where the item was added or removed. */
export type Aligned = readonly [left: number | undefined, right: number | undefined];

/** Pairs of items that are compared at most; longer stretches are paired by their place. */
const MOST_PAIRS = 250_000;

/**
 * Pairs the items of two lists: equal ones as far as they come in the same order (longest common subsequence), those between by their place, and what
 * is left over is added or removed. In the order of the lists.
 */
export function alignLists(left: readonly string[], right: readonly string[]): readonly Aligned[] {
  const shared = Math.min(left.length, right.length);
  let start = 0;
  while (start < shared && left[start] === right[start]) start++;
  let end = 0;
  while (end < shared - start && left[left.length - 1 - end] === right[right.length - 1 - end]) end++;

  const equal = commonPairs(left.slice(start, left.length - end), right.slice(start, right.length - end));
  const middle = equal.map(([i, j]): readonly [number, number] => [start + i, start + j]);
  const aligned: Aligned[] = [];
  let from: readonly [number, number] = [0, 0];
  const takeUpTo = (to: readonly [number, number]): void => {
    aligned.push(...pairByPlace(from, to));
    from = to;
  };
  for (let i = 0; i < start; i++) aligned.push([i, i]);
  from = [start, start];
  for (const [i, j] of middle) {
    takeUpTo([i, j]);
    aligned.push([i, j]);
    from = [i + 1, j + 1];
  }
  takeUpTo([left.length - end, right.length - end]);
  for (let k = end; k > 0; k--) aligned.push([left.length - k, right.length - k]);
  return aligned;
}

/** What lies between two pairs of equal items. */
function pairByPlace([i0, j0]: readonly [number, number], [i1, j1]: readonly [number, number]): readonly Aligned[] {
  const [removed, added] = [i1 - i0, j1 - j0];
  return Array.from(
    { length: Math.max(removed, added) },
    (_value, k): Aligned => [k < removed ? i0 + k : undefined, k < added ? j0 + k : undefined],
  );
}

/** The longest common subsequence, as pairs of places. */
function commonPairs(left: readonly string[], right: readonly string[]): readonly (readonly [number, number])[] {
  const [n, m] = [left.length, right.length];
  if (n === 0 || m === 0 || n * m > MOST_PAIRS) return [];
  // lengths[i * width + j]: the longest of left from i and right from j.
  const width = m + 1;
  const lengths = new Uint32Array((n + 1) * width);
  const length = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = n - 1; i >= 0; i--)
    for (let j = m - 1; j >= 0; j--)
      lengths[i * width + j] =
        left[i] === right[j] ? length(i + 1, j + 1) + 1 : Math.max(length(i + 1, j), length(i, j + 1));

  const pairs: (readonly [number, number])[] = [];
  let [i, j] = [0, 0];
  while (i < n && j < m) {
    if (left[i] === right[j]) pairs.push([i++, j++]);
    else if (length(i + 1, j) >= length(i, j + 1)) i++;
    else j++;
  }
  return pairs;
}
