import type { LogRecord } from '@voiceoi/contracts';

/** Postgres' `integer`. */
const GREATEST_INTEGER = 2_147_483_647;
/** Deepest nesting within `detail`; Postgres and JSON.stringify have bounds of their own, far beyond. */
const DEEPEST = 32;

/**
 * What keeps a record of the right shape out of the database; undefined: nothing does. A record that the database refuses would fail the whole batch,
 * and the node would send that batch for ever.
 */
export function storabilityProblem(record: LogRecord): string | undefined {
  for (const [name, value] of Object.entries(record)) {
    const isTime = name === 'since' || name.endsWith('_at');
    if (isTime && !isMoment(value)) return `/${name} is no moment that exists: ${value}`;
  }
  if (record.type !== 'call_event') return undefined;
  if (record.seq > GREATEST_INTEGER) return `/seq is greater than ${GREATEST_INTEGER}`;
  return nestsDeeper(record.detail, DEEPEST) ? `/detail nests more than ${DEEPEST} levels deep` : undefined;
}

/** Of the shape of a timestamp the schema is sure; the 31st of February has it too, and the year 0 is none to Postgres. */
function isMoment(text: unknown): boolean {
  if (typeof text !== 'string' || text.startsWith('0000')) return false;
  const time = Date.parse(text);
  return !Number.isNaN(time) && new Date(time).toISOString() === text;
}

function nestsDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => nestsDeeper(inner, levels - 1));
}

/** A record's text as jsonb takes it. */
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
