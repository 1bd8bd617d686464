import type { CallEventRecord, CallRecord, LogRecord } from '@voiceoi/contracts';
import type { Database, Queryable } from '../database/index.ts';

/** Stores records once each, whatever is sent again; returns how many were new. All or none. */
export function insertRecords(database: Database, records: readonly LogRecord[]): Promise<number> {
  if (records.length === 0) return Promise.resolve(0);
  return database.transaction(async (tx) => {
    const calls = records.filter((record) => record.type === 'call');
    const events = records.filter((record) => record.type === 'call_event');
    const others = records.filter((record) => record.type === 'call_start' || record.type === 'agent');
    return (await insertCalls(tx, calls)) + (await insertEvents(tx, events)) + (await insertActivity(tx, others));
  });
}

const CALLS = `INSERT INTO call_record (id, org_id, call_id, node_id, campaign_id, version, caller, outcome, disposition, started_at, record)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[], $9::text[], $10::timestamptz[], $11::jsonb[])
ON CONFLICT DO NOTHING`;

async function insertCalls(tx: Queryable, calls: readonly CallRecord[]): Promise<number> {
  if (calls.length === 0) return 0;
  const column = <T>(pick: (call: CallRecord) => T): T[] => calls.map(pick);
  const { rowCount } = await tx.query(CALLS, [
    column(({ id }) => id),
    column(({ org_id }) => org_id),
    column(({ call_id }) => call_id),
    column(({ node_id }) => node_id),
    column(({ campaign_id }) => storable(campaign_id)),
    column(({ version }) => version ?? null),
    column(({ caller }) => (caller === undefined ? null : storable(caller))),
    column(({ outcome }) => outcome),
    column(({ disposition }) => disposition ?? null),
    column(({ started_at }) => started_at),
    column(recordText),
  ]);
  return rowCount;
}

const EVENTS = `INSERT INTO call_event (id, org_id, call_id, seq, occurred_at, record)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::int[], $5::timestamptz[], $6::jsonb[]) ON CONFLICT DO NOTHING`;

async function insertEvents(tx: Queryable, events: readonly CallEventRecord[]): Promise<number> {
  if (events.length === 0) return 0;
  const columns = [
    events.map(({ id }) => id),
    events.map(({ org_id }) => org_id),
    events.map(({ call_id }) => call_id),
  ];
  const { rowCount } = await tx.query(EVENTS, [
    ...columns,
    events.map(({ seq }) => seq),
    events.map(({ occurred_at }) => occurred_at),
    events.map(recordText),
  ]);
  return rowCount;
}

const ACTIVITY = `INSERT INTO activity_record (id, org_id, type, occurred_at, record)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[]) ON CONFLICT DO NOTHING`;

async function insertActivity(tx: Queryable, records: readonly LogRecord[]): Promise<number> {
  if (records.length === 0) return 0;
  const columns = [records.map(({ id }) => id), records.map(({ org_id }) => org_id), records.map(({ type }) => type)];
  const { rowCount } = await tx.query(ACTIVITY, [
    ...columns,
    records.map(({ occurred_at }) => occurred_at),
    records.map(recordText),
  ]);
  return rowCount;
}

/** A record's text as jsonb takes it. What it does not take (NUL, half a surrogate pair) comes from callers, and must not cost their record. */
function recordText(record: LogRecord): string {
  const text = JSON.stringify(record);
  return /\\u(0000|d[89a-f])/.test(text)
    ? JSON.stringify(record, (_name, value: unknown) => (typeof value === 'string' ? storable(value) : value))
    : text;
}

function storable(text: string): string {
  return text.replaceAll('\0', '').replace(/\p{Cs}/gu, '\ufffd');
}
