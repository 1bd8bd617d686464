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

export const UNIQUE_VIOLATION = '23505';
export const FOREIGN_KEY_VIOLATION = '23503';

/** An adapter's error as ours; what is no answer of the database stays what it is. */
export function databaseError(error: unknown): unknown {
  if (
    !(error instanceof Error) ||
    !('code' in error) ||
    typeof error.code !== 'string' ||
    !/^[0-9A-Z]{5}$/.test(error.code)
  )
    return error;
  const constraint = 'constraint' in error && typeof error.constraint === 'string' ? error.constraint : undefined;
  return new DatabaseError(error.message, error.code, constraint, error);
}

/** Whether a statement was refused with this SQLSTATE. */
export function hasSqlState(error: unknown, code: string): boolean {
  return error instanceof DatabaseError && error.code === code;
}
