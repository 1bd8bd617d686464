import { type Database, DatabaseAway, type Queryable } from '../database/index.ts';
import { dayOf, shiftDay } from './uuid-day.ts';

/** Tables that are partitioned by day. */
export type LogTable = 'call_record' | 'call_event' | 'activity_record';
export const LOG_TABLES: readonly LogTable[] = ['call_record', 'call_event', 'activity_record'];

/** Key of the advisory lock: several masters look after one database. */
const LOCK = 0x766f6c67;
const DAYS_AHEAD = 3;
/** Live views look no further back. */
const ACTIVITY_DAYS = 2;

/** Partitions of the records, made before a record needs one. */
export interface Partitions {
  /** Makes what is missing of these days; `known` ones are not asked for again. */
  ensure(table: LogTable, days: readonly string[]): Promise<void>;
  /** Forgets what is known: somebody else has dropped a partition. */
  forget(): void;
  /** Makes the days ahead, and drops those that nobody keeps. Returns the names of what it dropped. */
  keep(now: number, retentionDays: number): Promise<readonly string[]>;
}

export function logPartitions(database: Database): Partitions {
  const known = new Set<string>();
  const ensure = async (table: LogTable, days: readonly string[]): Promise<void> => {
    const missing = [...new Set(days)].filter((day) => !known.has(`${table}/${day}`));
    if (missing.length === 0) return;
    await database.transaction((tx) => make(tx, table, missing));
    for (const day of missing) known.add(`${table}/${day}`);
  };
  return {
    ensure,
    forget: () => known.clear(),
    keep: async (now, retentionDays) => {
      const ahead = Array.from({ length: DAYS_AHEAD + 1 }, (_value, index) => shiftDay(dayOf(now), index));
      for (const table of LOG_TABLES) await ensure(table, ahead);
      const certainly = Math.min(now, await databaseNow(database));
      const old: string[] = [];
      for (const table of LOG_TABLES)
        old.push(...(await partitionsBefore(database, table, oldestKept(table, certainly, retentionDays))));
      const { dropped, failure } = await dropEach(database, old);
      if (dropped.length > 0) known.clear();
      if (failure !== undefined) throw failure;
      return dropped;
    },
  };
}

async function make(tx: Queryable, table: LogTable, days: readonly string[]): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
  for (const day of days) await tx.query('SELECT make_log_partition($1, $2::date)', [table, day]);
}

/** What is dropped is gone: one clock that is ahead, of a master or of the database, must not decide it alone. */
async function databaseNow(database: Database): Promise<number> {
  const sql = 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now';
  return (await database.query<{ now: number }>(sql)).rows[0]?.now ?? 0;
}

/** The first day that is kept; undefined: all are. */
function oldestKept(table: LogTable, now: number, retentionDays: number): string | undefined {
  const days = table === 'activity_record' ? ACTIVITY_DAYS : retentionDays;
  return days === 0 ? undefined : shiftDay(dayOf(now), -days);
}

const PARTITIONS = `SELECT child.relname AS name FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid WHERE inhparent = $1::regclass ORDER BY child.relname`;

async function partitionsBefore(
  database: Database,
  table: LogTable,
  day: string | undefined,
): Promise<readonly string[]> {
  if (day === undefined) return [];
  const { rows } = await database.query<{ name: string }>(PARTITIONS, [table]);
  const first = `${table}_p${day.replaceAll('-', '')}`;
  // A default partition, or an archive that somebody has attached, has another name.
  const isOurs = new RegExp(`^${table}_p\\d{8}$`);
  return rows.map(({ name }) => name).filter((name) => isOurs.test(name) && name < first);
}

/**
 * Each in a transaction of its own that gives up soon: to drop one, everybody has to leave the table for a moment. One that somebody holds on to, as a
 * view does, keeps no other one from going; where the table is busy, all of them wait for the next round.
 */
async function dropEach(database: Database, names: readonly string[]) {
  const dropped: string[] = [];
  let failure: unknown;
  for (const name of names) {
    const problem = await drop(database, name).then(
      () => undefined,
      (error: unknown) => error,
    );
    failure ??= problem;
    if (problem === undefined) dropped.push(name);
    if (problem instanceof DatabaseAway) break;
  }
  return { dropped, failure };
}

function drop(database: Database, name: string): Promise<void> {
  return database.transaction(async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    await tx.query(`SET LOCAL lock_timeout = '1s'`);
    await tx.query(`DROP TABLE IF EXISTS "${name}"`);
  });
}
