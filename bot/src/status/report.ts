import type { NodeRejection, NodeStatus } from '@voiceoi/contracts';
import type { OrgSyncStatus } from '../sync/index.ts';

/** What of a node does not change while it runs. */
export interface NodeIdentity {
  readonly node_id: string;
  readonly pool: string;
  readonly version: string;
  readonly started_at: string;
  readonly advertise_url: string;
  readonly advertise_agi: string;
}

/** What does. */
export interface NodeNow {
  readonly calls: { readonly active: number; readonly capacity: number };
  readonly state: 'active' | 'draining';
  readonly spool: { readonly bytes: number; readonly dropped: number; readonly dead_letters: number };
}

/** Bounds of the contract's schema: a status that breaks them would be refused as a whole. */
const MOST_REJECTED = 100;

/** A status as `POST /api/sync/status` takes it, for one organization: what the others are is not this one's to know. */
export function statusReport(
  identity: NodeIdentity,
  { calls, state, spool }: NodeNow,
  sync: OrgSyncStatus,
  isDraining: boolean,
): NodeStatus {
  const organization = {
    org_id: sync.orgId,
    state: isDraining ? ('draining' as const) : ('active' as const),
    epoch: sync.epoch ?? null,
    applied: sync.applied ?? null,
    age_seconds: Number.isFinite(sync.ageSeconds) ? Math.round(sync.ageSeconds * 10) / 10 : null,
    source: sync.source ?? null,
    rejected: sync.rejected.slice(0, MOST_REJECTED).map(rejection),
  };
  return { ...identity, calls: { ...calls }, state, organizations: [organization], spool: { ...spool } };
}

function rejection({ kind, id, version, code, message }: OrgSyncStatus['rejected'][number]): NodeRejection {
  const rest = { code: bounded(code, 64), message: bounded(message, 512) };
  return { kind, id: bounded(id, 128), ...(version !== undefined && { version }), ...rest };
}

/** Cut, and of characters that every database can keep: what is rejected may hold anything. */
function bounded(text: string, most: number): string {
  return text.slice(0, most).toWellFormed().replaceAll('\0', '');
}
