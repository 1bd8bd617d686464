// What nodes send: calls of the demo, five records each, in batches as they are posted.
import { gzipSync } from 'node:zlib';
import type { CallEventRecord, CallRecord, CallStartRecord } from '@voiceoi/contracts';
import { uuidv7 } from '../bot/src/calls/uuid.ts';

export const ORG = 'abc';
const RECORDS_OF_A_CALL = 5;

/** A batch of one node: its records, and how they go over the wire. */
export interface Batch {
  readonly calls: readonly CallRecord[];
  readonly events: readonly CallEventRecord[];
  readonly starts: readonly CallStartRecord[];
  readonly packed: Buffer;
}

export function makeBatch(nodeId: string, records: number): Batch {
  const all = Array.from({ length: records / RECORDS_OF_A_CALL }, (_value, index) => demoCall(nodeId, index));
  const starts = all.map(({ start }) => start);
  const calls = all.map(({ call }) => call);
  const events = all.flatMap((one) => one.events);
  const lines = all
    .flatMap(({ start, events, call }) => [start, ...events, call])
    .map((record) => JSON.stringify(record));
  return { starts, calls, events, packed: gzipSync(lines.join('\n'), { level: 1 }) };
}

function demoCall(
  nodeId: string,
  index: number,
): { readonly start: CallStartRecord; readonly events: readonly CallEventRecord[]; readonly call: CallRecord } {
  const call_id = uuidv7();
  const startedAt = Date.now() - 30_000;
  const at = (ms: number): string => new Date(startedAt + ms).toISOString();
  const common = (ms: number) => ({ id: uuidv7(), org_id: ORG, node_id: nodeId, occurred_at: at(ms), call_id });
  const caller = `+1555${String(Math.floor(Math.random() * 1e7)).padStart(7, '0')}`;
  const what = { campaign_id: '123', script_id: 'demo', version: 3, caller, lead_id: String(100_000 + index) };
  const step = (seq: number, name: string, type: string, ms: number, detail: CallEventRecord['detail']) => ({
    ...common(ms + 900),
    type: 'call_event' as const,
    ...{ seq, step: name, step_type: type, outcome: 'done', at_ms: ms, duration_ms: 900.25, turn_ms: 1.125, detail },
  });
  const digits = String(1 + Math.floor(Math.random() * 9));
  const gather = { kind: 'gather' as const, prompts: ['demo-menu'], digits, timed_out: false };
  return {
    start: { ...common(0), type: 'call_start', ...what, started_at: at(0) },
    events: [
      step(0, 'welcome', 'answer', 1, [{ kind: 'answer' }]),
      step(1, 'menu', 'gather', 902, [gather]),
      step(2, 'goodbye', 'play', 4_200, [{ kind: 'play', ...{ prompts: ['demo-thanks', 'vm-goodbye'], digits: '' } }]),
    ],
    call: {
      ...common(5_300),
      type: 'call',
      ...what,
      ...{ started_at: at(0), answered_at: at(12), ended_at: at(5_300), duration_ms: 5_300.5, outcome: 'completed' },
      ...{ disposition: 'SALE', fields: { choice: digits }, steps: 3, first_command_ms: 1.5, slowest_turn_ms: 3.125 },
    },
  };
}
