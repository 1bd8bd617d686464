import type { LogRecord } from '@voiceoi/contracts';

/** Postgres' `integer`. */
const GREATEST_INTEGER = 2_147_483_647;
/** Deepest nesting within a field; Postgres and JSON.stringify have bounds of their own, far beyond. */
const DEEPEST = 32;
/** Fields that hold a moment. */
const MOMENTS = ['occurred_at', 'started_at', 'answered_at', 'ended_at', 'since'] as const;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * What keeps a record of the right shape out of the database; undefined: nothing does. A record that the database refuses would fail the whole batch,
 * and the node would send that batch for ever.
 */
export function storabilityProblem(record: LogRecord): string | undefined {
  const fields: { readonly [name in (typeof MOMENTS)[number]]?: string } = record;
  for (const name of MOMENTS) {
    const moment = fields[name];
    if (moment !== undefined && !isMoment(moment)) return `/${name} is no moment that exists: ${moment}`;
  }
  if (record.type === 'call_event') {
    if (record.seq > GREATEST_INTEGER) return `/seq is greater than ${GREATEST_INTEGER}`;
    if (nestsDeeper(record.detail, DEEPEST)) return `/detail nests more than ${DEEPEST} levels deep`;
  }
  // Records are open: what a later version of the node adds, or somebody else, is kept and so has to be bounded too.
  return nestsDeeper(record, DEEPEST + 1) ? `nests more than ${DEEPEST} levels deep within a field` : undefined;
}

/** Of the shape of a timestamp the schema is sure; the 31st of February has it too, and the year 0 is none to Postgres. */
function isMoment(text: string): boolean {
  const part = (start: number, end: number): number => Number(text.slice(start, end));
  const [year, month, day] = [part(0, 4), part(5, 7), part(8, 10)];
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 && isLeap ? 29 : (DAYS[month - 1] ?? 0);
  return year > 0 && day >= 1 && day <= days && part(11, 13) < 24 && part(14, 16) < 60 && part(17, 19) < 60;
}

function nestsDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => nestsDeeper(inner, levels - 1));
}

/**
 * A record's text as jsonb takes it. It is made anew from what was checked: a line may hold more, such as a name that comes twice or a number of
 * a hundred thousand digits, and to look for all that is no clear gain over making it (docs/benchmarks.md).
 */
export function recordText(record: LogRecord): string {
  const text = JSON.stringify(record);
  return /\\u(0000|d[89a-f])/.test(text) ? JSON.stringify(cleaned(record)) : text;
}

/** Text as Postgres takes it: without NUL, and without half surrogate pairs. Both come from callers, and must not cost their record. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}

function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(cleaned);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [storableText(name), cleaned(inner)]));
}
