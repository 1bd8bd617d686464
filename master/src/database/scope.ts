import { AsyncLocalStorage } from 'node:async_hooks';
import type { Database } from './port.ts';

/** Rows of one organization, or `*`: of all of them. */
export type Scope = string;

/** A database that shows only what belongs to whoever asks. */
export interface ScopedDatabase {
  /** Shows rows of the scope that the caller runs in, and none outside of any. */
  readonly database: Database;
  /** Runs `work`, and what it starts, in a scope. */
  run<T>(scope: Scope, work: () => T): T;
}

/**
 * Keeps tenants apart below the stores: row-level security shows a statement only the rows of the organization that the request is for, so that a store
 * which forgets its WHERE returns nothing foreign (migration 0020). The scope travels with the request and not through every call, where it could be
 * forgotten like the WHERE.
 */
export function scopedDatabase(whole: Database): ScopedDatabase {
  const scopes = new AsyncLocalStorage<Scope>();
  /** Belongs to no organization: nothing is shown. */
  const here = (): Scope => scopes.getStore() ?? '';
  return {
    database: {
      query: (sql, parameters) => whole.transaction((tx) => tx.query(sql, parameters), here()),
      transaction: (work, scope) => whole.transaction(work, scope ?? here()),
      exec: () => Promise.reject(new Error('scripts are run on the whole database')),
      close: () => Promise.reject(new Error('whoever opened the database closes it')),
    },
    run: (scope, work) => scopes.run(scope, work),
  };
}

/** Statements that narrow a transaction to a scope. The role is for connections of superusers, whom row-level security does not bind. */
export function narrowing(scope: Scope, role: string | undefined): readonly string[] {
  if (!/^([a-z0-9][a-z0-9-]{0,31}|\*|)$/.test(scope)) throw new Error('a scope is an organization’s id or *');
  return [`SET LOCAL voiceoi.org = '${scope}'`, ...(role === undefined ? [] : [`SET LOCAL ROLE ${role}`])];
}

/** The role that requests run as where the connection's own is above row-level security. Migration 0020 makes it. */
export const TENANT_ROLE = 'voiceoi_tenant';

/** Whether the connection's user is above row-level security. */
export const IS_ABOVE = 'SELECT rolsuper OR rolbypassrls AS above FROM pg_roles WHERE rolname = current_user';
