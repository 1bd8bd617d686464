import { setImmediate } from 'node:timers/promises';
import type { PGlite, Transaction } from '@electric-sql/pglite';
import { databaseError } from './error.ts';
import type { Database, QueryResult } from './port.ts';
import { narrowing, TENANT_ROLE } from './scope.ts';

const INT8 = 20;
const OPTIONS = { parsers: { [INT8]: Number } };

/** Postgres in this process. It has one connection: transactions and queries wait for each other in turn. */
export function pgliteDatabase(pglite: PGlite): Database {
  return {
    query: (sql, parameters) => run(pglite, sql, parameters),
    exec: async (sql) => void (await translated(pglite.exec(sql))),
    transaction: (work, scope) =>
      translated(
        pglite.transaction(async (tx) => {
          // Its only user is a superuser.
          if (scope !== undefined) await tx.exec(narrowing(scope, TENANT_ROLE).join('; '));
          return work({ query: (sql, parameters) => run(tx, sql, parameters) });
        }),
      ),
    close: () => pglite.close(),
  };
}

async function run<Row>(
  client: PGlite | Transaction,
  sql: string,
  parameters: readonly unknown[] | undefined,
): Promise<QueryResult<Row>> {
  // PGlite works in microtasks alone: without a breath between statements, a queue of them would keep every socket of the process waiting.
  await setImmediate();
  const { rows, affectedRows } = await translated(client.query<Row>(sql, [...(parameters ?? [])], OPTIONS));
  return { rows, rowCount: rows.length > 0 ? rows.length : (affectedRows ?? 0) };
}

async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw databaseError(error);
  }
}
