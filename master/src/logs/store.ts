import type { AgentRecord } from '@voiceoi/contracts';
import { type Database, hasSqlState, type Queryable } from '../database/index.ts';
import { ProblemError } from '../http/index.ts';
import { insertAgentStates } from './agent-store.ts';
import { onceBy, type StorableRecord } from './parse.ts';
import type { LogTable, Partitions } from './partitions.ts';
import { array, insertCalls, insertEvents, insertOthers, type Row } from './rows.ts';

const DEADLOCK = '40P01';
/** What Postgres answers where a row has no partition. */
const CHECK_VIOLATION = '23514';
const MOST_TRIES = 5;

/** Stores batches in one transaction; answers for each how many of its records were new. All or none. */
export type StoreBatches = (batches: readonly (readonly StorableRecord[])[]) => Promise<readonly number[]>;

/** Stores each record once, whatever is sent again, by whomever. */
export function batchStore(database: Database, partitions: Partitions): StoreBatches {
  return async (batches) => {
    const rows = distinctRows(batches);
    const accepted = batches.map(() => 0);
    if (rows.length === 0) return accepted;
    const fresh = await insertRows(database, partitions, rows);
    for (const { batch } of fresh) accepted[batch] = (accepted[batch] ?? 0) + 1;
    return accepted;
  };
}

/** Records that came twice count for the batch that came first. In one order for all: transactions that share records wait in turn, not in a circle. */
function distinctRows(batches: readonly (readonly StorableRecord[])[]): readonly Row[] {
  const rows = new Map<string, Row>();
  batches.forEach((records, batch) => {
    for (const { record, text, day } of records) {
      const key = `${record.org_id}/${onceBy(record)}`;
      const name = `${record.type}/${key}`;
      if (!rows.has(name)) rows.set(name, { record, text, day, batch, key });
    }
  });
  return [...rows.values()].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

async function insertRows(database: Database, partitions: Partitions, rows: readonly Row[]): Promise<readonly Row[]> {
  for (let tries = 1; ; tries++) {
    try {
      for (const [table, days] of daysOf(rows)) await partitions.ensure(table, [...days]);
      return await database.transaction((tx) => insertSorted(tx, rows));
    } catch (error) {
      // A circle is left where one id came with two calls, which no node sends.
      const isPassing = hasSqlState(error, DEADLOCK) || hasSqlState(error, CHECK_VIOLATION);
      if (tries >= MOST_TRIES || !isPassing) throw error;
      partitions.forget();
    }
  }
}

function tableOf({ record }: Row): LogTable {
  return record.type === 'call' ? 'call_record' : record.type === 'call_event' ? 'call_event' : 'activity_record';
}

function daysOf(rows: readonly Row[]): ReadonlyMap<LogTable, ReadonlySet<string>> {
  const days = new Map<LogTable, Set<string>>();
  for (const row of rows) {
    const table = tableOf(row);
    const known = days.get(table);
    if (known) known.add(row.day);
    else days.set(table, new Set([row.day]));
  }
  return days;
}

async function insertSorted(tx: Queryable, rows: readonly Row[]): Promise<readonly Row[]> {
  await holdOrganizations(tx, [...new Set(rows.map(({ record }) => record.org_id))]);
  const of = (table: LogTable): readonly Row[] => rows.filter((row) => tableOf(row) === table);
  const calls = await insertCalls(tx, of('call_record'));
  const events = await insertEvents(tx, of('call_event'));
  const others = await insertOthers(tx, of('activity_record'));
  const agents = others.map(({ record }) => record).filter((record): record is AgentRecord => record.type === 'agent');
  await insertAgentStates(tx, agents);
  return [...calls, ...events, ...others];
}

/** Records have no foreign key (0002_partitions.sql): that their organizations are there, and stay so long, is seen to here. */
async function holdOrganizations(tx: Queryable, orgIds: readonly string[]): Promise<void> {
  const sql = 'SELECT id FROM organization WHERE id = ANY($1::text[]) ORDER BY id FOR KEY SHARE';
  const { rowCount } = await tx.query(sql, [array(orgIds)]);
  if (rowCount < orgIds.length) throw new ProblemError('UNKNOWN_KEY', 'The organization of this key is gone');
}
