import { type CallOutcome, type CallRecord, CallStartRecord, Timestamp } from '@voiceoi/contracts';
import type { CallEnd, StepRecord } from '@voiceoi/script';
import Type, { type Static } from 'typebox';
import { Check } from 'typebox/value';
import type { KilledRecord, QueuedRecord } from '../spool/index.ts';
import { uuidv7 } from './uuid.ts';

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
  /** When a call that any node may go on with must be over; undefined for one that ends with its connection. Epoch milliseconds. */
  readonly endsByMs?: number;
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

const MILLISECONDS = Array.from({ length: 1000 }, (_, ms) => `${String(ms).padStart(3, '0')}Z`);
let second = -1;
let upToSecond = '';

/** A time in RFC 3339. Everything up to the second is remembered: making the text of a date costs as much as the rest of a record. */
function time(epochMs: number): string {
  const ms = Math.floor(epochMs);
  const current = Math.floor(ms / 1000);
  if (current !== second) {
    second = current;
    upToSecond = new Date(current * 1000).toISOString().slice(0, -4);
  }
  return upToSecond + MILLISECONDS[ms - current * 1000];
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;
/** Columns of the master hold this much of what comes from outside. */
const MOST_OUTSIDE = 256;

/** A field as JSON, with the comma before it; nothing when it has no value. */
function field(name: string, value: unknown): string {
  return value === undefined ? '' : `,"${name}":${JSON.stringify(value)}`;
}

function outside(name: string, value: string | undefined): string {
  return value ? field(name, value.slice(0, MOST_OUTSIDE)) : '';
}

/**
 * What every record of a call begins with. Records are written as text at once: making objects and then text of them costs twice, in the
 * hottest path there is. A test holds the texts against the contract's schemas. Ids, numbers and times need no escaping.
 */
function opening(type: string, identity: CallIdentity, occurredAtMs: number, id = uuidv7()): string {
  const { callId, orgId, nodeId } = identity;
  return `{"id":"${id}","type":"${type}","org_id":"${orgId}","node_id":"${nodeId}","occurred_at":"${time(occurredAtMs)}","call_id":"${callId}"`;
}

function what({ campaignId, scriptId, version, isCanary, caller }: CallIdentity): string {
  const script = `${field('script_id', scriptId)}${field('version', version)}${isCanary ? ',"canary":true' : ''}`;
  return `${field('campaign_id', campaignId)}${script}${outside('caller', caller)}`;
}

export function startRecord(identity: CallIdentity, leadId: string | undefined): QueuedRecord {
  const endsBy = identity.endsByMs === undefined ? '' : `,"ends_by":"${time(identity.endsByMs)}"`;
  const text = `${opening('call_start', identity, identity.startedAtMs)}${what(identity)}${outside('lead_id', leadId)},"started_at":"${time(identity.startedAtMs)}"${endsBy}}`;
  return { text, kind: 'start', callId: identity.callId };
}

export function eventRecord(identity: CallIdentity, { step, turnMs }: TimedStep, id?: string): QueuedRecord {
  const { seq, step: name, type, outcome, at_ms, duration_ms, detail } = step;
  const head = opening('call_event', identity, identity.startedAtMs + at_ms + duration_ms, id);
  const turn = turnMs === undefined ? '' : `,"turn_ms":${rounded(turnMs)}`;
  const text = `${head},"seq":${seq}${field('step', name)},"step_type":"${type}"${field('outcome', outcome.slice(0, 64))},"at_ms":${rounded(at_ms)},"duration_ms":${rounded(duration_ms)}${turn},"detail":${JSON.stringify(detail)}}`;
  return { text, kind: 'event', callId: identity.callId };
}

/** The one record of a call, whatever became of it. */
export function callRecord(
  identity: CallIdentity,
  end: Omit<CallEnd, 'outcome'> & { readonly outcome: CallOutcome },
  times: CallTimes,
  steps: number,
  leadId: string | undefined,
  id?: string,
): QueuedRecord {
  const { startedAtMs } = identity;
  const { answeredAtMs, durationMs, firstCommandMs, slowestTurnMs } = times;
  const endedAtMs = startedAtMs + durationMs;
  const moments = `,"started_at":"${time(startedAtMs)}"${answeredAtMs === undefined ? '' : `,"answered_at":"${time(startedAtMs + answeredAtMs)}"`},"ended_at":"${time(endedAtMs)}"`;
  const decided = `,"outcome":"${end.outcome}"${field('disposition', end.disposition)}${field('comment', end.comment)}${field('fields', end.fields)}${field('arm', end.arm)}${field('reason', end.reason?.slice(0, 512))}`;
  const measured = `,"duration_ms":${rounded(durationMs)},"steps":${steps}${field('first_command_ms', firstCommandMs && rounded(firstCommandMs))}${field('slowest_turn_ms', slowestTurnMs && rounded(slowestTurnMs))}`;
  const text = `${opening('call', identity, endedAtMs, id)}${what(identity)}${outside('lead_id', leadId)}${moments}${decided}${measured}}`;
  return { text, kind: 'call', callId: identity.callId };
}

/**
 * The record of a call that its node was killed in, from its `call_start` and the last time at which that node wrote anything; undefined when the
 * start is none of the contract's. Steps are written as a call ends, so none are known. One that may go on elsewhere waits until it must be over.
 */
export function killedRecord(startText: string, endedAtMs: number): KilledRecord | undefined {
  const found = parseStart(startText);
  if (!found) return undefined;
  const { ends_by, ...start } = found;
  const endsByMs = ends_by === undefined ? Number.POSITIVE_INFINITY : Date.parse(ends_by);
  const endedAt = Math.max(Math.min(endedAtMs, endsByMs), Date.parse(start.started_at));
  const record: CallRecord = {
    ...start,
    id: uuidv7(),
    type: 'call',
    occurred_at: time(endedAt),
    ended_at: time(endedAt),
    duration_ms: Math.floor(endedAt) - Date.parse(start.started_at),
    outcome: 'failed',
    reason: 'the node was killed',
    steps: 0,
  };
  const queued = { text: JSON.stringify(record), kind: 'call', callId: start.call_id } as const;
  return ends_by === undefined ? queued : { ...queued, notBeforeMs: endsByMs + KILLED_GRACE_MS };
}

/** A little more than what a node that plays the call waits for at its end (turn-call.ts): that one's record comes first. */
const KILLED_GRACE_MS = 120_000;
const Start = Type.Object({ ...CallStartRecord.properties, ends_by: Type.Optional(Timestamp) });

function parseStart(text: string): Static<typeof Start> | undefined {
  try {
    const start: unknown = JSON.parse(text);
    return Check(Start, start) ? start : undefined;
  } catch {
    return undefined;
  }
}
