import type { CallEventRecord, CallRecord, LogRecord } from '@voiceoi/contracts';
import type { Queryable } from '../database/index.ts';
import { storableText } from './storable.ts';

/** A record on its way into a table. `key` is what it is stored once by, `batch` the one that it counts for. */
export interface Row {
  readonly record: LogRecord;
  readonly text: string;
  readonly day: string;
  readonly batch: number;
  readonly key: string;
}

/**
 * Statements take one array for each column, and the records as lines of one text: escaping each record for an array of texts would be the dearest
 * part of storing it. Which rows were new is told only where not all were.
 */
function insertion(table: string, columns: readonly (readonly [name: string, type: string])[], onceBy: string): string {
  const names = columns.map(([name]) => name).join(', ');
  const arrays = columns.map(([, type], index) => `$${index + 1}::${type}[]`).join(', ');
  const lines = `$${columns.length + 1}`;
  return `WITH fresh AS (
    INSERT INTO ${table} (${names}, record)
    SELECT ${names}, line::jsonb FROM unnest(${arrays}, string_to_array(${lines}::text, chr(10))) AS sent (${names}, line)
    ON CONFLICT DO NOTHING RETURNING org_id, ${onceBy})
  SELECT count(*)::int AS n, CASE WHEN count(*) < $${columns.length + 2}::int THEN array_agg(org_id || '/' || ${onceBy}) END AS keys FROM fresh`;
}

const CALLS = insertion(
  'call_record',
  [
    ...([
      ['day', 'date'],
      ['id', 'uuid'],
      ['org_id', 'text'],
      ['call_id', 'uuid'],
      ['node_id', 'text'],
    ] as const),
    ...([
      ['campaign_id', 'text'],
      ['version', 'int'],
      ['caller', 'text'],
      ['outcome', 'text'],
    ] as const),
    ...([
      ['disposition', 'text'],
      ['started_at', 'timestamptz'],
    ] as const),
  ],
  'call_id',
);

export function insertCalls(tx: Queryable, rows: readonly Row[]): Promise<readonly Row[]> {
  const calls = rows.map(({ record }) => record as CallRecord);
  const column = <T>(pick: (call: CallRecord) => T): T[] => calls.map(pick);
  return insert(tx, CALLS, rows, () => [
    array(rows.map(({ day }) => day)),
    array(column(({ id }) => id)),
    array(column(({ org_id }) => org_id)),
    array(column(({ call_id }) => call_id)),
    array(column(({ node_id }) => node_id)),
    column(({ campaign_id }) => storableText(campaign_id)),
    column(({ version }) => version ?? null),
    column(({ caller }) => storableOrNull(caller)),
    array(column(({ outcome }) => outcome)),
    column(({ disposition }) => storableOrNull(disposition)),
    array(column(({ started_at }) => started_at)),
  ]);
}

const EVENTS = insertion(
  'call_event',
  [
    ...([
      ['day', 'date'],
      ['id', 'uuid'],
      ['org_id', 'text'],
      ['call_id', 'uuid'],
      ['seq', 'int'],
    ] as const),
    ['occurred_at', 'timestamptz'],
  ],
  'id',
);

export function insertEvents(tx: Queryable, rows: readonly Row[]): Promise<readonly Row[]> {
  const events = rows.map(({ record }) => record as CallEventRecord);
  return insert(tx, EVENTS, rows, () => [
    array(rows.map(({ day }) => day)),
    array(events.map(({ id }) => id)),
    array(events.map(({ org_id }) => org_id)),
    array(events.map(({ call_id }) => call_id)),
    array(events.map(({ seq }) => seq)),
    array(events.map(({ occurred_at }) => occurred_at)),
  ]);
}

const OTHERS = insertion(
  'activity_record',
  [
    ['day', 'date'],
    ['id', 'uuid'],
    ['org_id', 'text'],
    ['type', 'text'],
    ['occurred_at', 'timestamptz'],
  ],
  'id',
);

/** Starts of calls, and what agents do. */
export function insertOthers(tx: Queryable, rows: readonly Row[]): Promise<readonly Row[]> {
  return insert(tx, OTHERS, rows, () => [
    array(rows.map(({ day }) => day)),
    array(rows.map(({ record }) => record.id)),
    array(rows.map(({ record }) => record.org_id)),
    array(rows.map(({ record }) => record.type)),
    array(rows.map(({ record }) => record.occurred_at)),
  ]);
}

async function insert(
  tx: Queryable,
  sql: string,
  rows: readonly Row[],
  columns: () => readonly unknown[],
): Promise<readonly Row[]> {
  if (rows.length === 0) return rows;
  const lines = rows.map(({ text }) => text).join('\n');
  const answer = await tx.query<{ n: number; keys: readonly string[] | null }>(sql, [...columns(), lines, rows.length]);
  const { n = 0, keys = null } = answer.rows[0] ?? {};
  if (n === rows.length) return rows;
  const fresh = new Set(keys);
  return rows.filter(({ key }) => fresh.has(key));
}

/** An array as Postgres writes it, of values without a quote or backslash: ids, times, numbers. */
export function array(values: readonly (string | number)[]): string {
  return `{"${values.join('","')}"}`;
}

function storableOrNull(text: string | undefined): string | null {
  return text === undefined ? null : storableText(text);
}
