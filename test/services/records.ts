import { uuidv7 } from 'uuidv7';

const AT = '2026-11-24T08:25:21.123Z';

/** A call record as a node sends it. */
export function callRecord(changed: object = {}) {
  return {
    id: uuidv7(),
    type: 'call',
    org_id: 'abc',
    node_id: 'node-1',
    occurred_at: AT,
    call_id: uuidv7(),
    campaign_id: '123',
    script_id: 'demo',
    version: 1,
    caller: '+15550100',
    started_at: AT,
    ended_at: AT,
    duration_ms: 1200,
    outcome: 'completed',
    disposition: 'NI',
    steps: 2,
    first_command_ms: 1.25,
    ...changed,
  };
}

/** A step of a call as a node sends it. */
export function callEvent(changed: object = {}) {
  return {
    id: uuidv7(),
    type: 'call_event',
    org_id: 'abc',
    node_id: 'node-1',
    occurred_at: AT,
    call_id: uuidv7(),
    seq: 0,
    step: 'greet',
    step_type: 'play',
    outcome: 'done',
    at_ms: 3,
    duration_ms: 900,
    detail: [{ kind: 'play', prompt: 'hello-world' }],
    ...changed,
  };
}

/** A beginning call as a node sends it. */
export function callStart(changed: object = {}) {
  const common = { id: uuidv7(), type: 'call_start', org_id: 'abc', node_id: 'node-1', occurred_at: AT };
  return { ...common, call_id: uuidv7(), campaign_id: '123', started_at: AT, ...changed };
}

/** What an agent does, as a node sends it. */
export function agentRecord(changed: object = {}) {
  const common = { id: uuidv7(), type: 'agent', org_id: 'abc', node_id: 'node-1', occurred_at: AT };
  return { ...common, agent: '1001', state: 'ready', since: AT, ...changed };
}
