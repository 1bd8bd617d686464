export { DatabaseAway, DatabaseError, FOREIGN_KEY_VIOLATION, hasSqlState, UNIQUE_VIOLATION } from './error.ts';
export { migrate } from './migrations.ts';
export { pgliteDatabase } from './pglite.ts';
export type { Database, Queryable, QueryResult } from './port.ts';
export { POSTGRES_TYPES, postgresDatabase } from './postgres.ts';
export { type ScopedDatabase, scopedDatabase } from './scope.ts';
