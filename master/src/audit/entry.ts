import { createHash } from 'node:crypto';
import type { AuditActor } from '@voiceoi/contracts';
import { canonicalJson } from '@voiceoi/kernel';

/** What happened, as the chain covers it. */
export interface AuditEntry {
  readonly org_id: string;
  /** Place in the organization's chain, from 1 and without holes. */
  readonly seq: number;
  readonly id: string;
  readonly at: string;
  readonly actor: AuditActor;
  readonly action: string;
  readonly target: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly request_id: string | null;
  readonly address: string | null;
}

/** What the first entry of a chain has before it. */
export const NO_HASH: Uint8Array = new Uint8Array(32);

/** The chain of what belongs to no organization: sign-ins, passwords. No organization can have this id, and no request's scope shows it. */
export const INSTANCE = '_instance';

/** SHA-256 over the hash before and the RFC 8785 text of the entry. */
export function chainHash(previous: Uint8Array, entry: AuditEntry): Uint8Array {
  const { org_id, seq, id, at, actor, action, target, before, after, request_id, address } = entry;
  const covered = { org_id, seq, id, at, actor, action, target, before, after, request_id, address };
  return createHash('sha256').update(previous).update(canonicalJson(covered)).digest();
}

/** A row of `audit_log`. */
export interface AuditRow extends Omit<AuditEntry, 'at'> {
  readonly at: Date;
  readonly hash: Uint8Array;
}

export const AUDIT_COLUMNS = 'org_id, seq, id, at, actor, action, target, before, after, request_id, address, hash';

export function entryOf({ hash: _hash, at, ...row }: AuditRow): AuditEntry {
  return { ...row, at: at.toISOString() };
}

export function hexOf(hash: Uint8Array): string {
  return Buffer.from(hash).toString('hex');
}
