/** A statement that the database refused. `code` is the SQLSTATE (PostgreSQL, Appendix A). */
export class DatabaseError extends Error {
  readonly code: string;
  readonly constraint: string | undefined;

  constructor(message: string, code: string, constraint: string | undefined, cause: unknown) {
    super(message, { cause });
    this.name = 'DatabaseError';
    this.code = code;
    this.constraint = constraint;
  }
}

/** The database cannot be reached, went away meanwhile, or is too busy: what was asked of it may be asked again. */
export class DatabaseAway extends Error {
  readonly code = 'DATABASE_AWAY';

  constructor(cause: Error) {
    super(`the database does not answer: ${cause.message || ('code' in cause ? cause.code : cause.name)}`, { cause });
    this.name = 'DatabaseAway';
  }
}

export const UNIQUE_VIOLATION = '23505';
export const FOREIGN_KEY_VIOLATION = '23503';

/** SQLSTATEs of a server that ends, starts, is read-only for now, has no connection left, or gave up waiting. */
const AWAY_STATES = /^(08...|57P0[1-5]|57014|53...|25006|55P03)$/;
/** What a socket or the resolver says. */
const AWAY_CODES = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'ENETDOWN', 'EHOSTDOWN'],
]);
/** What `pg` says without a code. */
const AWAY_MESSAGES =
  /^Connection terminated|^timeout exceeded when trying to connect|connection error and is not queryable|^Query read timeout/;

/** An adapter's error as ours; what is no answer of the database and no sign of its absence stays what it is. */
export function databaseError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof DatabaseError || error instanceof DatabaseAway) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (code === undefined) return AWAY_MESSAGES.test(error.message) ? new DatabaseAway(error) : error;
  if (AWAY_CODES.has(code) || AWAY_STATES.test(code)) return new DatabaseAway(error);
  if (!/^[0-9A-Z]{5}$/.test(code)) return error;
  const constraint = 'constraint' in error && typeof error.constraint === 'string' ? error.constraint : undefined;
  return new DatabaseError(error.message, code, constraint, error);
}

/** Whether a statement was refused with this SQLSTATE. */
export function hasSqlState(error: unknown, code: string): boolean {
  return error instanceof DatabaseError && error.code === code;
}
