import Type, { type Static } from 'typebox';
import { AgentRecord } from '../log-record.ts';

const { agent, state, since, node_id, call_id } = AgentRecord.properties;

/** What an agent does now. */
export const AgentItem = Type.Object({ agent, state, since, node_id, call_id });
export type AgentItem = Static<typeof AgentItem>;
