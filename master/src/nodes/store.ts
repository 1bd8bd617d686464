import type { DrainState, NodeItem, NodeStatus } from '@voiceoi/contracts';
import type { Database, Queryable } from '../database/index.ts';
import { notFound } from '../http/index.ts';

/** What the master knows of a status beside what it says. */
export interface Provenance {
  /** Straight from the master's own machine. */
  readonly from_loopback: boolean;
  /** Of the key that it came with. */
  readonly generation: number;
}

/** A status as it is kept: that of one organization alone. Masters of an earlier version write no provenance. */
interface StoredStatus extends Omit<NodeStatus, 'organizations'>, Partial<Provenance> {
  readonly organization: NodeStatus['organizations'][number];
}

interface Row {
  readonly node_id: string;
  readonly last_seen_at: Date;
  readonly status: StoredStatus;
  readonly is_lost: boolean;
  readonly wanted: DrainState;
  readonly revision: number;
  readonly epoch: string;
}

/** What a node is to know after it has reported. */
export interface Wanted {
  readonly state: DrainState;
  readonly revision: number;
}

const SAVE = `WITH saved AS (
  INSERT INTO node_status (org_id, node_id, last_seen_at, status) VALUES ($1, $2, clock_timestamp(), $3::jsonb)
  ON CONFLICT (org_id, node_id) DO UPDATE SET last_seen_at = excluded.last_seen_at, status = excluded.status
)
SELECT coalesce(n.state, 'active') AS state, o.revision
FROM organization o LEFT JOIN node_order n ON n.org_id = o.id AND n.node_id = $2 WHERE o.id = $1`;

/** Keeps what a node says of one organization, and answers what is wanted of it. */
export async function saveStatus(
  db: Queryable,
  { organizations: _all, ...node }: NodeStatus,
  organization: NodeStatus['organizations'][number],
  provenance: Provenance,
): Promise<Wanted> {
  const status: StoredStatus = { ...node, ...provenance, organization };
  const orgId = organization.org_id;
  const { rows } = await db.query<Wanted>(SAVE, [orgId, node.node_id, JSON.stringify(status)]);
  const [wanted] = rows;
  if (!wanted) throw notFound(`organization "${orgId}"`);
  return wanted;
}

// Judged by the database’s clock, which all masters share.
const SELECT = `SELECT s.node_id, s.last_seen_at, s.status, coalesce(n.state, 'active') AS wanted, o.revision, i.epoch,
  s.last_seen_at < clock_timestamp() - make_interval(secs => $2) AS is_lost
FROM node_status s JOIN organization o ON o.id = s.org_id CROSS JOIN instance i
LEFT JOIN node_order n ON n.org_id = s.org_id AND n.node_id = s.node_id WHERE s.org_id = $1`;

/** Nodes of an organization by their id; a node that was silent for `lostAfterSeconds` is lost. */
export async function listNodes(
  db: Queryable,
  orgId: string,
  lostAfterSeconds: number,
  after: string,
  limit: number,
): Promise<readonly NodeItem[]> {
  const sql = `${SELECT} AND s.node_id COLLATE "C" > $3 ORDER BY s.node_id COLLATE "C" LIMIT $4`;
  return (await db.query<Row>(sql, [orgId, lostAfterSeconds, after, limit])).rows.map(nodeItem);
}

/** @throws ProblemError when the node was never seen */
export async function getNode(
  db: Queryable,
  orgId: string,
  nodeId: string,
  lostAfterSeconds: number,
): Promise<NodeItem> {
  const { rows } = await db.query<Row>(`${SELECT} AND s.node_id = $3`, [orgId, lostAfterSeconds, nodeId]);
  const [row] = rows;
  if (!row) throw notFound(`node "${nodeId}" in organization "${orgId}"`);
  return nodeItem(row);
}

/** A node as the gateway sees it. */
export interface ServingNode {
  readonly nodeId: string;
  readonly advertiseUrl: string;
  readonly advertiseAgi: string;
  readonly calls: { readonly active: number; readonly capacity: number };
  /** Tells one report from the next. */
  readonly report: string;
  readonly ageMs: number;
  readonly isFromLoopback: boolean;
  /** Of the key that it reported with. */
  readonly generation: number | undefined;
}

/** More would be no pool, but somebody with a key who makes names up. */
const MOST_SERVING = 2_000;
const SERVING = `SELECT t.*, extract(epoch FROM clock_timestamp() - t.last_seen_at)::float8 * 1000 AS age_ms
FROM (${SELECT}) t WHERE NOT t.is_lost ORDER BY t.last_seen_at DESC LIMIT ${MOST_SERVING}`;

/** Nodes that take new calls of an organization: they have its configuration, and are neither lost nor draining. */
export async function servingNodes(
  db: Queryable,
  orgId: string,
  lostAfterSeconds: number,
): Promise<readonly ServingNode[]> {
  const { rows } = await db.query<Row & { readonly age_ms: number }>(SERVING, [orgId, lostAfterSeconds]);
  return rows
    .filter((row) => effectiveState(row) === 'active' && row.status.organization.applied !== null)
    .map(({ node_id, last_seen_at, status, age_ms }) => ({
      nodeId: node_id,
      advertiseUrl: status.advertise_url,
      advertiseAgi: status.advertise_agi,
      calls: status.calls,
      report: last_seen_at.toISOString(),
      ageMs: age_ms,
      isFromLoopback: status.from_loopback === true,
      generation: status.generation,
    }));
}

/** A node that is to drain is remembered however long it is away: it would come back and take calls. */
const FORGET = `DELETE FROM node_status s WHERE s.last_seen_at < now() - interval '7 days'
AND NOT EXISTS (SELECT 1 FROM node_order n WHERE n.org_id = s.org_id AND n.node_id = s.node_id AND n.state = 'draining')`;
const FORGET_ORDERS = `DELETE FROM node_order n WHERE n.state = 'active' AND n.issued_at < now() - interval '7 days'
AND NOT EXISTS (SELECT 1 FROM node_status s WHERE s.org_id = n.org_id AND s.node_id = n.node_id)`;

/** Forgets nodes that have been lost for a week, as a pool leaves them behind when it grows and shrinks. */
export async function forgetLostNodes(database: Database): Promise<void> {
  await database.query(FORGET);
  await database.query(FORGET_ORDERS);
}

function nodeItem(row: Row): NodeItem {
  const { organization, spool: _spool, state: _state, from_loopback: _from, generation: _key, ...node } = row.status;
  const { org_id: _orgId, state: _ordered, ...configuration } = organization;
  return {
    ...node,
    last_seen_at: row.last_seen_at.toISOString(),
    state: row.is_lost ? 'lost' : effectiveState(row),
    ...configuration,
    behind: behind(row),
  };
}

/** What was ordered counts from the moment it was; beside that, a node drains that says so for a reason of its own, as when it is ending. */
function effectiveState({ wanted, status }: Row): DrainState {
  if (wanted === 'draining') return 'draining';
  return status.organization.state === 'active' ? status.state : 'active';
}

function behind({ status, revision, epoch }: Row): number {
  const { applied, epoch: theirs } = status.organization;
  return applied === null || theirs !== epoch ? revision : Math.max(0, revision - applied);
}
