import Type, { type Static } from 'typebox';
import { Epoch, NodeId, OrgId, Revision, Timestamp } from '../ids.ts';
import { DrainState } from '../node-order.ts';

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** Something that a node does not play as the master has it, and why. */
export const NodeRejection = Type.Object({
  kind: Type.Enum(['script', 'campaign', 'settings']),
  id: Type.String({ maxLength: 128 }),
  /** Of a script. */
  version: Type.Optional(Type.Integer()),
  code: Type.String({ maxLength: 64 }),
  message: Type.String({ maxLength: 512 }),
});
export type NodeRejection = Static<typeof NodeRejection>;

/** How current an organization's configuration is on a node; null where it has none, or where it was never confirmed. */
const configuration = {
  epoch: nullable(Epoch),
  applied: nullable(Revision),
  age_seconds: nullable(Type.Number({ minimum: 0 })),
  source: nullable(Type.Enum(['disk', 'bootstrap', 'poll', 'stream', 'redis'])),
  rejected: Type.Array(NodeRejection, { maxItems: 100 }),
};

// What nodes send is open: a node that is newer than the master may say more.
const NodeCalls = Type.Object({ active: count, capacity: count });

const node = {
  node_id: NodeId,
  pool: Type.String({ minLength: 1, maxLength: 253 }),
  version: Type.String({ minLength: 1, maxLength: 64 }),
  started_at: Timestamp,
  advertise_url: Type.String({ maxLength: 2048 }),
  advertise_agi: Type.String({ maxLength: 300 }),
  calls: NodeCalls,
};

/** What a node says of one organization; `state` as it was ordered. */
const OrganizationStatus = Type.Object({ org_id: OrgId, state: DrainState, ...configuration });

/** Body of `POST /api/sync/status`. `state` is that of the whole node: it is ending, or drains for all that it serves. */
export const NodeStatus = Type.Object({
  ...node,
  state: DrainState,
  organizations: Type.Array(OrganizationStatus, { minItems: 1, maxItems: 1000 }),
  spool: Type.Object({ bytes: count, dropped: count, dead_letters: count }),
});
export type NodeStatus = Static<typeof NodeStatus>;

/** Answer to it: what the node is to do for the organization of its key, and that organization's newest revision. */
export const NodeStatusAnswer = Type.Object({
  organizations: Type.Array(Type.Object({ org_id: OrgId, state: DrainState, revision: Revision })),
});
export type NodeStatusAnswer = Static<typeof NodeStatusAnswer>;

export const NodeParams = Type.Object({ org_id: OrgId, node_id: NodeId });

/** A node as one organization sees it. `lost`: it has not reported for 90 s. */
export const NodeItem = Type.Object({
  ...node,
  last_seen_at: Timestamp,
  state: Type.Enum(['active', 'draining', 'lost']),
  ...configuration,
  /** Revisions; 0 when current. */
  behind: count,
});
export type NodeItem = Static<typeof NodeItem>;
