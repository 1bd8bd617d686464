import { CallRecord, CallStartRecord } from '@voiceoi/contracts';
import { Check } from 'typebox/value';
import { describe, expect, test } from 'vitest';
import { killedRecord, startRecord } from './records.ts';
import { uuidv7 } from './uuid.ts';

const identity = {
  callId: uuidv7(),
  orgId: 'abc',
  nodeId: 'n1',
  campaignId: '1',
  scriptId: 's',
  version: 3,
  isCanary: true,
  caller: '"+1\n',
  startedAtMs: Date.parse('2026-11-24T08:25:21.123Z'),
};
const start = startRecord(identity, 'lead 7');

describe('the record of a call that its node was killed in', () => {
  test('fits the contract, and says what its start says', () => {
    const record = killedRecord(start.text, identity.startedAtMs + 4500.6);
    expect(record).toMatchObject({ kind: 'call', callId: identity.callId });
    const parsed = JSON.parse(record?.text ?? '');
    expect(Check(CallRecord, parsed)).toBe(true);
    const { id, type, occurred_at, ...known } = JSON.parse(start.text);
    expect(parsed).toMatchObject({
      ...known,
      outcome: 'failed',
      reason: 'the node was killed',
      ended_at: '2026-11-24T08:25:25.623Z',
      duration_ms: 4500,
    });
    expect(parsed.id).not.toBe(id);
  });

  test('never ends before it began', () => {
    const record = JSON.parse(killedRecord(start.text, 0)?.text ?? '');
    expect(record).toMatchObject({ ended_at: '2026-11-24T08:25:21.123Z', duration_ms: 0 });
  });

  test('waits, for a call that another node may go on with, until that one must have ended', () => {
    const endsByMs = identity.startedAtMs + 600_000;
    const { text } = startRecord({ ...identity, endsByMs }, undefined);
    expect(Check(CallStartRecord, JSON.parse(text))).toBe(true);
    const record = killedRecord(text, endsByMs + 86_400_000);
    expect(record?.notBeforeMs).toBeGreaterThan(endsByMs + 60_000);
    expect(JSON.parse(record?.text ?? '')).toMatchObject({
      ended_at: '2026-11-24T08:35:21.123Z',
      duration_ms: 600_000,
    });
    expect(record?.text).not.toContain('ends_by');
    expect(killedRecord(start.text, endsByMs)?.notBeforeMs).toBeUndefined();
  });

  test('is none when the start is none', () => {
    expect(killedRecord('{"type":"call_start"}', 0)).toBeUndefined();
    expect(killedRecord('{', 0)).toBeUndefined();
  });
});
