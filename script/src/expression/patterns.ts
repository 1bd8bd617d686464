/** Longest pattern that `matches` takes. */
const LONGEST_PATTERN = 128;

/**
 * Why a pattern of `matches` is refused; undefined when it is good. JavaScript's matcher tries again and again, so a pattern may
 * repeat single characters or classes only, at most three times without a bound: the worst case then grows with the third power of a text
 * that is itself bounded.
 */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > LONGEST_PATTERN) return `a pattern has at most ${LONGEST_PATTERN} characters`;
  if (!compiles(pattern)) return 'the pattern is no regular expression';
  const plain = pattern.replace(/\\[\s\S]/g, 'x').replace(/\[[^\]]*\]/g, 'x');
  if (/\\[1-9k]|\(\?[^:]/.test(pattern)) return 'back-references and look-around are not part of it';
  if (/\)[*+?{]/.test(plain)) return 'a group may not be repeated: it could take for ever';
  const unbounded = plain.match(/[*+]|\{\d+,\}/g)?.length ?? 0;
  return unbounded > 3 ? 'at most three parts may repeat without a bound' : undefined;
}

function compiles(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}
