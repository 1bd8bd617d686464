/** Most work of one turn of a call, in visits of a node (some 30 ns each): a node that serves a thousand calls cannot think longer about one. */
const MOST_WORK = 1_000_000;

// One meter for the process: a turn is synchronous, so that two never overlap, and each begins with a full one.
let left = MOST_WORK;

/** Begins a turn: everything evaluated in it shares `MOST_WORK`. */
export function renewWork(): void {
  left = MOST_WORK;
}

/** @throws RangeError when the turn has used up its work */
export function spendWork(units: number): void {
  left -= units;
  if (left < 0) throw new RangeError('the expressions of this turn take too much work');
}
