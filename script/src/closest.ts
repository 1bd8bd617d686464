/** Most letters compared for one hint: a large script with many wrong names must not take long to refuse. */
const MOST_WORK = 200_000;

/** The candidate that differs least from what was typed, when it differs little enough to have been meant. */
export function closest(typed: string, candidates: readonly string[]): string | undefined {
  if (typed.length < 3 || typed.length > 64) return undefined;
  const alike = candidates.filter((candidate) => Math.abs(candidate.length - typed.length) <= 2);
  if (alike.length * typed.length ** 2 > MOST_WORK) return undefined;
  const near = alike
    .map((candidate) => ({ candidate, distance: distance(typed.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= Math.max(1, Math.floor(typed.length / 3)) ? near.candidate : undefined;
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
