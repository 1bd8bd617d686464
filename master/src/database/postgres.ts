import type { Pool, PoolClient } from 'pg';
import pg from 'pg';
import { DatabaseAway, databaseError } from './error.ts';
import type { Database, Queryable, QueryResult } from './port.ts';
import { IS_ABOVE, narrowing, TENANT_ROLE } from './scope.ts';

const INT8 = 20;

/** int8 as number: nothing here counts beyond 2^53. */
export const POSTGRES_TYPES = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
};

/** Postgres through a pool of `pg` that the composition root has made with `POSTGRES_TYPES`. */
export function postgresDatabase(pool: Pool): Database {
  let role: Promise<string | undefined> | undefined;
  /** Asked once; again after a failure. */
  const tenantRole = (): Promise<string | undefined> => {
    role ??= run<{ above: boolean }>(pool, IS_ABOVE, undefined)
      .then(({ rows }) => (rows[0]?.above ? TENANT_ROLE : undefined))
      .catch((error: unknown) => {
        role = undefined;
        throw error;
      });
    return role;
  };
  // What is not narrowed to an organization is the master's own work.
  pool.options.onConnect = (client) => client.query("SET voiceoi.org = '*'");
  // Without a listener a connection that breaks while it is idle would end the process; the next query gets a new one.
  pool.on('error', () => {});
  return {
    query: (sql, parameters) => run(pool, sql, parameters),
    exec: async (sql) => void (await run(pool, sql, undefined)),
    transaction: async (work, scope) =>
      inTransaction(pool, work, scope === undefined ? [] : narrowing(scope, await tenantRole())),
    close: () => pool.end(),
  };
}

async function run<Row>(
  client: Pool | PoolClient,
  sql: string,
  parameters: readonly unknown[] | undefined,
): Promise<QueryResult<Row>> {
  try {
    const { rows, rowCount } =
      parameters === undefined ? await client.query(sql) : await client.query(sql, [...parameters]);
    return { rows: rows as Row[], rowCount: rowCount ?? 0 };
  } catch (error) {
    throw databaseError(error);
  }
}

async function inTransaction<T>(
  pool: Pool,
  work: (tx: Queryable) => Promise<T>,
  prelude: readonly string[],
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw databaseError(error);
  });
  let broken = false;
  // A connection that is cut while nothing runs on it says so by an event; unheard, it would end the process.
  const onError = (): void => {
    broken = true;
  };
  client.on('error', onError);
  try {
    // One round trip.
    await run(client, ['BEGIN', ...prelude].join('; '), undefined);
    const result = await work({ query: (sql, parameters) => run(client, sql, parameters) });
    await run(client, 'COMMIT', undefined);
    return result;
  } catch (error) {
    // Over a connection that does not answer, a rollback would take as long again; the server makes one when it sees it closed.
    if (error instanceof DatabaseAway) broken = true;
    else
      await run(client, 'ROLLBACK', undefined).catch(() => {
        broken = true;
      });
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}
