// The floor: nothing but `unnest` inserts of batches through `pg`, into the same tables.
import pg from 'pg';
import type { Batch } from './logs-records.ts';

const day = new Date().toISOString().slice(0, 10);

/** Inserts all batches over so many connections; returns the seconds that it took. */
export async function bareInserts(url: string, batches: readonly Batch[], connections: number): Promise<number> {
  const prepared = batches.map(statementsOf);
  const clients = Array.from({ length: connections }, () => new pg.Client({ connectionString: url }));
  for (const client of clients) await client.connect();
  const queue = prepared.values();
  const startedAt = performance.now();
  await Promise.all(clients.map((client) => insertFrom(queue, client)));
  const seconds = (performance.now() - startedAt) / 1000;
  for (const client of clients) await client.end();
  return seconds;
}

type Statements = readonly (readonly [sql: string, values: readonly unknown[][]])[];

async function insertFrom(queue: Iterable<Statements>, client: pg.Client): Promise<void> {
  for (const statements of queue) {
    await client.query('BEGIN');
    for (const [sql, values] of statements) await client.query(sql, [...values]);
    await client.query('COMMIT');
  }
}

const CALLS = `INSERT INTO call_record (day, id, org_id, call_id, node_id, campaign_id, version, caller, outcome, disposition, started_at, record)
SELECT * FROM unnest($1::date[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::int[], $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::jsonb[]) ON CONFLICT DO NOTHING`;
const EVENTS = `INSERT INTO call_event (day, id, org_id, call_id, seq, occurred_at, record)
SELECT * FROM unnest($1::date[], $2::uuid[], $3::text[], $4::uuid[], $5::int[], $6::timestamptz[], $7::jsonb[]) ON CONFLICT DO NOTHING`;
const STARTS = `INSERT INTO activity_record (day, id, org_id, type, occurred_at, record)
SELECT * FROM unnest($1::date[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::jsonb[]) ON CONFLICT DO NOTHING`;

function statementsOf({ calls, events, starts }: Batch): Statements {
  const texts = (records: readonly object[]): string[] => records.map((record) => JSON.stringify(record));
  const common = <T extends { readonly id: string; readonly org_id: string }>(records: readonly T[]): unknown[][] => [
    records.map(() => day),
    records.map(({ id }) => id),
    records.map(({ org_id }) => org_id),
  ];
  const ofCalls = [
    ...common(calls),
    calls.map(({ call_id }) => call_id),
    calls.map(({ node_id }) => node_id),
    calls.map(({ campaign_id }) => campaign_id),
    calls.map(({ version }) => version),
    calls.map(({ caller }) => caller),
    calls.map(({ outcome }) => outcome),
    calls.map(({ disposition }) => disposition),
    calls.map(({ started_at }) => started_at),
    texts(calls),
  ];
  const ofEvents = [
    ...common(events),
    events.map(({ call_id }) => call_id),
    events.map(({ seq }) => seq),
    events.map(({ occurred_at }) => occurred_at),
    texts(events),
  ];
  const types = starts.map(({ type }) => type);
  const ofStarts = [...common(starts), types, starts.map(({ occurred_at }) => occurred_at), texts(starts)];
  return [
    [CALLS, ofCalls],
    [EVENTS, ofEvents],
    [STARTS, ofStarts],
  ];
}
