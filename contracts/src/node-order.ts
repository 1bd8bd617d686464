import Type, { type Static } from 'typebox';
import { NodeId, OrgId, Timestamp } from './ids.ts';

/** Whether a node takes new calls of an organization. Draining holds until the node is resumed. */
export const DrainState = Type.Enum(['active', 'draining']);
export type DrainState = 'active' | 'draining';

/**
 * What one node is to do for one organization, signed like a change (contract.md, Shapes). Of two orders the one issued later counts;
 * `issued_at` grows with every order of an organization.
 */
export const NodeOrder = Type.Object({
  v: Type.Literal(1),
  type: Type.Literal('order'),
  org_id: OrgId,
  node_id: NodeId,
  state: DrainState,
  issued_at: Timestamp,
  kid: Type.String({ pattern: '^[0-9]{1,10}$' }),
  sig: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});
export type NodeOrder = Static<typeof NodeOrder>;
