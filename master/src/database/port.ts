/** Rows of a query; `rowCount` is the number of rows returned or touched. */
export interface QueryResult<Row> {
  readonly rows: readonly Row[];
  readonly rowCount: number;
}

/** Runs one parametrised statement. Values: int8 as number, timestamptz as Date, json and jsonb parsed, bytea as Uint8Array. */
export interface Queryable {
  /** @throws DatabaseError with the SQLSTATE in `code` */
  query<Row = Record<string, unknown>>(sql: string, parameters?: readonly unknown[]): Promise<QueryResult<Row>>;
}

/** Postgres, as the stores see it: a pool of `pg`, or PGlite in this process. One conformance suite covers both. */
export interface Database extends Queryable {
  /**
   * Commits when `work` resolves, rolls back and rethrows when it rejects. Transactions do not nest. `scope`, an organization's id or `*`: only rows
   * of that organization are seen and written (scope.ts).
   */
  transaction<T>(work: (tx: Queryable) => Promise<T>, scope?: string): Promise<T>;
  /** Runs a script of several statements without parameters (migrations). */
  exec(sql: string): Promise<void>;
  close(): Promise<void>;
}
