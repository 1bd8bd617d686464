import Type, { type Static } from 'typebox';
import { CampaignId, NodeId, OrgId, ScriptId, Timestamp, Uuid, Version } from './ids.ts';

// Records are open: a node that is newer than the master may say more, and what it says is kept.
const common = {
  id: Uuid,
  org_id: OrgId,
  node_id: NodeId,
  occurred_at: Timestamp,
};

/** Outcome of a call. `refused` stands in records only: the node did not take the call. */
export const CallOutcome = Type.Enum(['completed', 'transferred', 'caller_hangup', 'failed', 'limit', 'refused']);
export type CallOutcome = 'completed' | 'transferred' | 'caller_hangup' | 'failed' | 'limit' | 'refused';

const text = (maxLength: number) => Type.String({ maxLength });
const milliseconds = Type.Number({ minimum: 0 });

/** What is known of a call as it begins; feeds the live view and counts as no call. */
export const CallStartRecord = Type.Object({
  ...common,
  type: Type.Literal('call_start'),
  call_id: Uuid,
  campaign_id: CampaignId,
  script_id: Type.Optional(ScriptId),
  version: Type.Optional(Version),
  canary: Type.Optional(Type.Boolean()),
  caller: Type.Optional(text(256)),
  lead_id: Type.Optional(text(256)),
  started_at: Timestamp,
});
export type CallStartRecord = Static<typeof CallStartRecord>;

/** One per call, at its end, whatever became of it. */
export const CallRecord = Type.Object({
  ...common,
  type: Type.Literal('call'),
  call_id: Uuid,
  campaign_id: text(128),
  script_id: Type.Optional(ScriptId),
  version: Type.Optional(Version),
  canary: Type.Optional(Type.Boolean()),
  arm: Type.Optional(text(64)),
  caller: Type.Optional(text(256)),
  lead_id: Type.Optional(text(256)),
  started_at: Timestamp,
  answered_at: Type.Optional(Timestamp),
  ended_at: Timestamp,
  duration_ms: milliseconds,
  outcome: CallOutcome,
  disposition: Type.Optional(text(8)),
  comment: Type.Optional(text(4096)),
  fields: Type.Optional(Type.Record(Type.String(), Type.String())),
  reason: Type.Optional(text(512)),
  steps: Type.Integer({ minimum: 0 }),
  first_command_ms: Type.Optional(milliseconds),
  slowest_turn_ms: Type.Optional(milliseconds),
});
export type CallRecord = Static<typeof CallRecord>;

/** One effect of a step: what was asked for and what came back, secrets and sealed values masked. */
export const EffectDetail = Type.Object({
  kind: Type.Enum([
    'answer',
    'play',
    'say',
    'gather',
    'record',
    'wait',
    'channel',
    'http',
    'exec',
    'amd',
    'transfer',
    'hangup',
  ]),
});

/** One per step of a call, in order of `seq` from 0. `at_ms` counts from the start of the call. */
export const CallEventRecord = Type.Object({
  ...common,
  type: Type.Literal('call_event'),
  call_id: Uuid,
  seq: Type.Integer({ minimum: 0 }),
  step: text(64),
  step_type: text(32),
  outcome: text(64),
  at_ms: milliseconds,
  duration_ms: milliseconds,
  turn_ms: Type.Optional(milliseconds),
  detail: Type.Array(EffectDetail),
});
export type CallEventRecord = Static<typeof CallEventRecord>;

/** Agent activity. */
export const AgentRecord = Type.Object({
  ...common,
  type: Type.Literal('agent'),
  agent: Type.String({ minLength: 1, maxLength: 64 }),
  state: Type.Union([
    Type.Literal('ready'),
    Type.Literal('in_call'),
    Type.Literal('paused'),
    Type.Literal('logged_out'),
  ]),
  since: Timestamp,
  call_id: Type.Optional(Uuid),
});
export type AgentRecord = Static<typeof AgentRecord>;

/** A record as `POST /api/sync/logs` takes it. */
export const LogRecord = Type.Union([CallStartRecord, CallRecord, CallEventRecord, AgentRecord]);
export type LogRecord = Static<typeof LogRecord>;

/** Body of `POST /api/sync/logs`; as NDJSON it is the records alone, one a line. A record that is wrong is rejected by itself. */
export const LogBatch = Type.Object({ records: Type.Array(LogRecord, { maxItems: 1000 }) });
export type LogBatch = Static<typeof LogBatch>;

/** Answer to `POST /api/sync/logs`, given after the records are durable. */
export const LogAnswer = Type.Object({
  accepted: Type.Integer({ minimum: 0 }),
  duplicates: Type.Integer({ minimum: 0 }),
  rejected: Type.Array(
    Type.Object({ index: Type.Integer({ minimum: 0 }), code: Type.String(), message: Type.String() }),
  ),
});
export type LogAnswer = Static<typeof LogAnswer>;
