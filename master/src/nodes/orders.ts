import type { DrainState, NodeOrder } from '@voiceoi/contracts';
import { type OrgKey, signChange } from '@voiceoi/kernel';
import * as audit from '../audit/index.ts';
import type { Database } from '../database/index.ts';

interface OrderRow {
  readonly node_id: string;
  readonly state: DrainState;
  readonly issued_at: Date;
}

/** What nodes are ordered to do, and in which order it was said. */
export interface NodeOrders {
  /** Orders a node to drain or to go on; resolves after the commit with the order as it goes to nodes. @throws ProblemError when no key can sign it */
  issue(orgId: string, nodeId: string, state: DrainState): Promise<NodeOrder>;
  /** Orders issued later than a time, oldest first. Of those that were resumed only the last day's: whoever was away longer asks by its status. */
  after(orgId: string, issuedAt: string | undefined): Promise<readonly NodeOrder[]>;
}

/** With the organization the key of an advisory lock, under which orders become visible in the order of their `issued_at`. */
const LOCK = 0x766f6e6f;

const ISSUE = `INSERT INTO node_order (org_id, node_id, state, issued_at)
SELECT $1, $2, $3, greatest(date_trunc('milliseconds', clock_timestamp()),
  (SELECT max(issued_at) FROM node_order WHERE org_id = $1) + interval '1 millisecond')
ON CONFLICT (org_id, node_id) DO UPDATE SET state = excluded.state, issued_at = excluded.issued_at
RETURNING node_id, state, issued_at`;

const STANDING = 'SELECT state FROM node_order WHERE org_id = $1 AND node_id = $2';

const AFTER = `SELECT node_id, state, issued_at FROM node_order
WHERE org_id = $1 AND issued_at > coalesce($2::timestamptz, '-infinity') AND (state = 'draining' OR issued_at > now() - interval '1 day')
ORDER BY issued_at`;

/** `keyOf` gives the newest good key of an organization. */
export function nodeOrders(database: Database, keyOf: (orgId: string) => Promise<OrgKey>): NodeOrders {
  return {
    issue: async (orgId, nodeId, state) => {
      const key = await keyOf(orgId);
      const rows = await database.transaction(async (tx) => {
        await tx.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [LOCK, orgId]);
        const before = (await tx.query<{ state: DrainState }>(STANDING, [orgId, nodeId])).rows[0];
        const issued = (await tx.query<OrderRow>(ISSUE, [orgId, nodeId, state])).rows;
        const action = state === 'draining' ? 'node.drain' : 'node.resume';
        await audit.record(tx, {
          orgId,
          action,
          target: `node/${nodeId}`,
          before: before ?? { state: 'active' },
          after: { state },
        });
        return issued;
      });
      const [row] = rows;
      if (!row) throw new Error('an insert that returns its row returned none');
      return signed(orgId, row, key);
    },
    after: async (orgId, issuedAt) => {
      const { rows } = await database.query<OrderRow>(AFTER, [orgId, issuedAt ?? null]);
      if (rows.length === 0) return [];
      const key = await keyOf(orgId);
      return rows.map((row) => signed(orgId, row, key));
    },
  };
}

function signed(orgId: string, { node_id, state, issued_at }: OrderRow, key: OrgKey): NodeOrder {
  const order = { v: 1 as const, type: 'order' as const, org_id: orgId, node_id, state };
  return signChange(key, { ...order, issued_at: issued_at.toISOString() });
}
