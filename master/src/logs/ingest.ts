import { DatabaseAway, DatabaseError } from '../database/index.ts';
import type { StorableRecord } from './parse.ts';
import type { StoreBatches } from './store.ts';

/** What became of a batch. */
export interface Outcome {
  /** How many were new. */
  readonly accepted: number;
  /** Those that the database does not take, whatever is tried. */
  readonly refused: readonly StorableRecord[];
}

/** Stores the batches of many nodes together. */
export interface Ingest {
  /** Resolves when they are durable. @throws the database's error; then none is stored */
  add(records: readonly StorableRecord[]): Promise<Outcome>;
}

/** A transaction takes this many records or a little more. */
const ENOUGH_RECORDS = 2_000;
const LONGEST_WAIT_MS = 50;
/** Transactions at once: the pool's other connections are for people. */
const MOST_TRANSACTIONS = 4;

interface Waiting {
  readonly records: readonly StorableRecord[];
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Nobody waits while nothing runs. What comes meanwhile goes together: when a transaction ends, when it is enough for one, or after 50 ms.
 */
export function startIngest(store: StoreBatches): Ingest {
  const waiting: Waiting[] = [];
  let running = 0;
  let timer: NodeJS.Timeout | undefined;

  const run = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const batches = takeEnough(waiting);
    if (batches.length === 0) return;
    running++;
    await storeTogether(store, batches);
    running--;
    if (waiting.length > 0) void run();
  };
  const onTime = (): void => {
    timer = undefined;
    if (running < MOST_TRANSACTIONS) void run();
  };

  return {
    add: (records) =>
      new Promise((resolve, reject) => {
        if (records.length === 0) return resolve({ accepted: 0, refused: [] });
        waiting.push({ records, resolve, reject });
        const isEnough = countRecords(waiting) >= ENOUGH_RECORDS && running < MOST_TRANSACTIONS;
        if (running === 0 || isEnough) void run();
        else timer ??= setTimeout(onTime, LONGEST_WAIT_MS);
      }),
  };
}

function countRecords(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { records }) => sum + records.length, 0);
}

function takeEnough(waiting: Waiting[]): readonly Waiting[] {
  let count = 0;
  const end = waiting.findIndex(({ records }) => {
    count += records.length;
    return count >= ENOUGH_RECORDS;
  });
  return waiting.splice(0, end < 0 ? waiting.length : end + 1);
}

/** One batch that cannot be stored fails nobody else. Never rejects. */
async function storeTogether(store: StoreBatches, batches: readonly Waiting[]): Promise<void> {
  try {
    const accepted = await store(batches.map(({ records }) => records));
    for (const [index, { resolve }] of batches.entries()) resolve({ accepted: accepted[index] ?? 0, refused: [] });
  } catch (error) {
    for (const { records, resolve, reject } of batches) {
      // Who is away for all is away for each.
      if (error instanceof DatabaseAway) reject(error);
      else await storeAlone(store, records).then(resolve, reject);
    }
  }
}

/** Halves a batch until the record is found that the database does not take. */
async function storeAlone(store: StoreBatches, records: readonly StorableRecord[]): Promise<Outcome> {
  try {
    return { accepted: (await store([records]))[0] ?? 0, refused: [] };
  } catch (error) {
    if (!isOfTheData(error)) throw error;
    if (records.length === 1) return { accepted: 0, refused: records };
    const middle = records.length >> 1;
    const halves = [await storeAlone(store, records.slice(0, middle)), await storeAlone(store, records.slice(middle))];
    return {
      accepted: halves.reduce((sum, { accepted }) => sum + accepted, 0),
      refused: halves.flatMap(({ refused }) => refused),
    };
  }
}

/** Classes of SQLSTATE that speak of the values: data exceptions, and limits that they exceed. */
function isOfTheData(error: unknown): boolean {
  return error instanceof DatabaseError && /^(22|54)/.test(error.code);
}
