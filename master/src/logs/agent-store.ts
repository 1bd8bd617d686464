import type { AgentItem, AgentRecord } from '@voiceoi/contracts';
import type { Queryable } from '../database/index.ts';
import { array } from './rows.ts';
import { storableText } from './storable.ts';

/**
 * The latest state wins, and of two at once the one that was told last. A state from more than a day ahead gives way to any that is not:
 * a node whose clock was wrong for a moment must not decide for years what an agent does.
 */
const STATES = `INSERT INTO agent_state AS known (org_id, agent, state, since, record_id, node_id, call_id)
SELECT DISTINCT ON (org_id, agent) * FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::uuid[], $6::text[], $7::uuid[]
) AS sent (org_id, agent, state, since, record_id, node_id, call_id)
ORDER BY org_id, agent, (since > now() + interval '1 day'), since DESC, record_id DESC
ON CONFLICT (org_id, agent) DO UPDATE SET state = excluded.state, since = excluded.since, record_id = excluded.record_id,
  node_id = excluded.node_id, call_id = excluded.call_id
WHERE CASE WHEN (excluded.since > now() + interval '1 day') = (known.since > now() + interval '1 day')
  THEN (excluded.since, excluded.record_id) > (known.since, known.record_id)
  ELSE known.since > now() + interval '1 day' END`;

/** Notes what agents do now. */
export async function insertAgentStates(tx: Queryable, records: readonly AgentRecord[]): Promise<void> {
  if (records.length === 0) return;
  await tx.query(STATES, [
    array(records.map(({ org_id }) => org_id)),
    records.map(({ agent }) => storableText(agent)),
    array(records.map(({ state }) => state)),
    array(records.map(({ since }) => since)),
    array(records.map(({ id }) => id)),
    array(records.map(({ node_id }) => node_id)),
    records.map(({ call_id }) => call_id ?? null),
  ]);
}

interface StateRow {
  readonly agent: string;
  readonly state: AgentItem['state'];
  readonly since: Date;
  readonly node_id: string;
  readonly call_id: string | null;
}

const LIST = `SELECT agent, state, since, node_id, call_id FROM agent_state
WHERE org_id = $1 AND agent > $2 ORDER BY agent LIMIT $3`;

/** Agents behind a name, in the order of their names. */
export async function listAgents(
  db: Queryable,
  orgId: string,
  after: string,
  limit: number,
): Promise<readonly AgentItem[]> {
  const { rows } = await db.query<StateRow>(LIST, [orgId, after, limit]);
  return rows.map(({ call_id, since, ...row }) => ({
    ...row,
    since: since.toISOString(),
    ...(call_id !== null && { call_id }),
  }));
}
