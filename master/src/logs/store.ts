import type { CallEventRecord, CallRecord, LogRecord } from '@voiceoi/contracts';
import { type Database, hasSqlState, type Queryable } from '../database/index.ts';
import { recordText, storableText } from './storable.ts';

const DEADLOCK = '40P01';
const MOST_TRIES = 5;

/** Stores records once each, whatever is sent again; returns how many were new. All or none. */
export async function insertRecords(database: Database, records: readonly LogRecord[]): Promise<number> {
  if (records.length === 0) return 0;
  // In one order for all: two batches that share records wait for each other in turn instead of in a circle.
  const sorted = [...records].sort((a, b) => compare(onceBy(a), onceBy(b)));
  for (let tries = 1; ; tries++) {
    try {
      return await database.transaction((tx) => insertSorted(tx, sorted));
    } catch (error) {
      // A circle is left where one id came with two calls, which no node sends.
      if (tries >= MOST_TRIES || !hasSqlState(error, DEADLOCK)) throw error;
    }
  }
}

/** What a record is stored once by; one call may come under two ids, from before and after a node was killed. */
function onceBy(record: LogRecord): string {
  return record.type === 'call' ? record.call_id : record.id;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function insertSorted(tx: Queryable, records: readonly LogRecord[]): Promise<number> {
  const calls = records.filter((record) => record.type === 'call');
  const events = records.filter((record) => record.type === 'call_event');
  const others = records.filter((record) => record.type === 'call_start' || record.type === 'agent');
  return (await insertCalls(tx, calls)) + (await insertEvents(tx, events)) + (await insertActivity(tx, others));
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
    column(({ campaign_id }) => storableText(campaign_id)),
    column(({ version }) => version ?? null),
    column(({ caller }) => storableOrNull(caller)),
    column(({ outcome }) => outcome),
    column(({ disposition }) => storableOrNull(disposition)),
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

function storableOrNull(text: string | undefined): string | null {
  return text === undefined ? null : storableText(text);
}
