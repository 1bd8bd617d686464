export type { Database, Queryable, QueryResult } from './port.ts';
