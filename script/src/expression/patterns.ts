import { spendWork } from './work.ts';

/** Longest pattern that `matches` takes. */
const LONGEST_PATTERN = 128;
/** Most work that one `matches` may cause, in steps of JavaScript’s matcher; some ten milliseconds. */
const MOST_WORK = 3_000_000;
/** Most ways in which the bounded parts of a pattern may be combined. */
const MOST_CHOICES = 1000;
/** Most parts that repeat without a bound; looking for the place to begin at is one of them. */
const MOST_REPEATS = 3;

/** A pattern that is good: how long a text it may be used on. */
export interface GoodPattern {
  readonly longestText: number;
  /** Steps of the matcher that a text of so many characters may take. */
  readonly stepsFor: (length: number) => number;
}

/**
 * Looks at a pattern of `matches`. JavaScript's matcher tries again and again, so what it may take grows with the text to the power of
 * the parts that repeat without a bound, times the ways in which bounded parts and alternatives can be combined. Patterns for which that
 * is much are refused; for the others it says how long a text may be. Groups may not be repeated: that has no such bound.
 */
export function inspectPattern(pattern: string): GoodPattern | { readonly problem: string } {
  if (pattern.length > LONGEST_PATTERN) return { problem: `a pattern has at most ${LONGEST_PATTERN} characters` };
  if (!compiles(pattern)) return { problem: 'the pattern is no regular expression' };
  if (/\\[1-9k]|\(\?[^:]/.test(pattern)) return { problem: 'back-references and look-around are not part of it' };
  const plain = pattern
    .replace(/\\[\s\S]/g, 'x')
    .replace(/\[[^\]]*\]/g, 'x')
    .replaceAll('(?:', '(');
  if (/\)[*+?{]/.test(plain)) return { problem: 'a group may not be repeated: it could take for ever' };
  const choices = bounded(plain) * alternatives(plain);
  if (choices > MOST_CHOICES) return { problem: 'too many optional parts and alternatives: it could take for ever' };
  const isAnchored = plain.startsWith('^') && !plain.includes('|');
  const repeats = (plain.match(/[*+]|\{\d+,\}/g)?.length ?? 0) + (isAnchored ? 0 : 1);
  if (repeats > MOST_REPEATS)
    return { problem: 'at most three parts may repeat without a bound, two where it does not begin with ^' };
  const stepsFor = (length: number): number => (choices * length ** repeats) / orders(repeats);
  return { longestText: longestText(repeats, choices), stepsFor };
}

/** In how many ways optional parts (`?`) and those with a bound (`{2,5}`) can turn out. A `?` after a repeat only makes it lazy. */
function bounded(plain: string): number {
  let ways = 1;
  for (const [, low, high] of plain.replace(/([*+}?])\?/g, '$1').matchAll(/\?|\{(\d+),(\d+)\}/g))
    ways *= low === undefined ? 2 : Number(high) - Number(low) + 1;
  return ways;
}

/** In how many ways the alternatives inside of groups can be combined. */
function alternatives(plain: string): number {
  const open: number[] = [];
  let ways = 1;
  for (const character of plain) {
    if (character === '(') open.push(1);
    else if (character === '|' && open.length > 0) open.push((open.pop() ?? 0) + 1);
    else if (character === ')') ways *= open.pop() ?? 1;
  }
  return ways;
}

/** The longest text for which `text ^ repeats / repeats! * choices` stays within bounds. */
function longestText(repeats: number, choices: number): number {
  if (repeats === 0) return Number.POSITIVE_INFINITY;
  return Math.floor(((MOST_WORK * orders(repeats)) / choices) ** (1 / repeats));
}

/** In how many orders the places of so many repeats can stand: only one of them is tried. */
function orders(repeats: number): number {
  return repeats === 3 ? 6 : Math.max(1, repeats);
}

/** Steps of the matcher in the time of one unit of work. */
const STEPS_A_UNIT = 10;

const known = new Map<string, GoodPattern>();
const MOST_KNOWN = 1000;

/** Whether a text matches. @throws RangeError when the text is too long for this pattern, Error for a pattern that is refused */
export function matchesPattern(text: string, pattern: string): boolean {
  const good = known.get(pattern) ?? inspectPattern(pattern);
  if ('problem' in good) throw new Error(good.problem);
  if (known.size < MOST_KNOWN) known.set(pattern, good);
  if (text.length > good.longestText)
    throw new RangeError(`matches: this pattern is for texts of at most ${good.longestText} characters`);
  spendWork(1 + good.stepsFor(text.length) / STEPS_A_UNIT);
  return new RegExp(pattern).test(text);
}

function compiles(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}
