import type { CallEventRecord, CallOutcome, CallRecord, CallStartRecord } from '@voiceoi/contracts';
import type { CallEnd, StepRecord } from '@voiceoi/script';
import { uuidv7 } from 'uuidv7';

/** What all records of a call share. */
export interface CallIdentity {
  readonly callId: string;
  readonly orgId: string;
  readonly nodeId: string;
  readonly campaignId: string;
  readonly scriptId: string | undefined;
  readonly version: number | undefined;
  readonly isCanary: boolean;
  readonly caller: string;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
}

/** How a call went, beside what its script says. Milliseconds. */
export interface CallTimes {
  readonly answeredAtMs: number | undefined;
  readonly durationMs: number;
  readonly firstCommandMs: number | undefined;
  readonly slowestTurnMs: number | undefined;
}

/** A step with how long the caller waited for its first command. */
export interface TimedStep {
  readonly step: StepRecord;
  readonly turnMs: number | undefined;
}

const time = (epochMs: number): string => new Date(epochMs).toISOString();
const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;
/** Columns of the master hold this much of what comes from outside. */
const clipped = (text: string): string => text.slice(0, 256);

function shared(identity: CallIdentity) {
  return {
    call_id: identity.callId,
    campaign_id: identity.campaignId,
    ...(identity.scriptId !== undefined && { script_id: identity.scriptId }),
    ...(identity.version !== undefined && { version: identity.version }),
    ...(identity.isCanary && { canary: true }),
    ...(identity.caller !== '' && { caller: clipped(identity.caller) }),
  };
}

function header(identity: CallIdentity, occurredAtMs: number) {
  return { id: uuidv7(), org_id: identity.orgId, node_id: identity.nodeId, occurred_at: time(occurredAtMs) };
}

export function startRecord(identity: CallIdentity, leadId: string | undefined): CallStartRecord {
  return {
    ...header(identity, identity.startedAtMs),
    type: 'call_start',
    ...shared(identity),
    ...(leadId !== undefined && { lead_id: clipped(leadId) }),
    started_at: time(identity.startedAtMs),
  };
}

export function eventRecord(identity: CallIdentity, { step, turnMs }: TimedStep): CallEventRecord {
  return {
    ...header(identity, identity.startedAtMs + step.at_ms + step.duration_ms),
    type: 'call_event',
    call_id: identity.callId,
    seq: step.seq,
    step: step.step,
    step_type: step.type,
    outcome: step.outcome,
    at_ms: rounded(step.at_ms),
    duration_ms: rounded(step.duration_ms),
    ...(turnMs !== undefined && { turn_ms: rounded(turnMs) }),
    detail: [...step.detail],
  };
}

/** The one record of a call, whatever became of it. */
export function callRecord(
  identity: CallIdentity,
  end: Omit<CallEnd, 'outcome'> & { readonly outcome: CallOutcome },
  times: CallTimes,
  steps: number,
  leadId: string | undefined,
): CallRecord {
  const endedAtMs = identity.startedAtMs + times.durationMs;
  const { outcome, disposition, comment, fields, arm, reason } = end;
  return {
    ...header(identity, endedAtMs),
    type: 'call',
    ...shared(identity),
    ...(arm !== undefined && { arm }),
    ...(leadId !== undefined && { lead_id: clipped(leadId) }),
    started_at: time(identity.startedAtMs),
    ...(times.answeredAtMs !== undefined && { answered_at: time(identity.startedAtMs + times.answeredAtMs) }),
    ended_at: time(endedAtMs),
    duration_ms: rounded(times.durationMs),
    outcome,
    ...(disposition !== undefined && { disposition }),
    ...(comment !== undefined && { comment }),
    ...(fields !== undefined && { fields: { ...fields } }),
    ...(reason !== undefined && { reason: reason.slice(0, 512) }),
    steps,
    ...(times.firstCommandMs !== undefined && { first_command_ms: rounded(times.firstCommandMs) }),
    ...(times.slowestTurnMs !== undefined && { slowest_turn_ms: rounded(times.slowestTurnMs) }),
  };
}
