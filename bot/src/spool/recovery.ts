import type { Logger } from '@voiceoi/kernel';
import type { SpooledRecord } from './record.ts';
import type { Segment } from './segment.ts';
import { leftSegments } from './segment-files.ts';

/** A `call_start` without a `call`, left by a node that was killed, and when that node last wrote. */
export interface CutCall {
  readonly start: SpooledRecord;
  readonly lastWrittenAtMs: number;
}

/** What a run before has left of an organization. */
interface Left {
  /** The oldest first. */
  readonly segments: readonly Segment[];
  readonly cut: readonly CutCall[];
}

interface RecoveryOptions {
  readonly orgId: string;
  readonly folder: string;
  /** Calls whose start is in no segment any more. */
  readonly openCalls: readonly SpooledRecord[];
  readonly log: Logger;
}

/** Reads what is left in a folder. Never rejects: what cannot be read is told of and passed over. */
export async function readLeft({ orgId, folder, openCalls, log }: RecoveryOptions): Promise<Left> {
  const segments: Segment[] = [];
  const starts = new Map(openCalls.map((start) => [start.callId, start]));
  const ended = new Set<string>();
  let lastWrittenAtMs = 0;
  try {
    for await (const { segment, records, at, lostBytes } of leftSegments(folder)) {
      lastWrittenAtMs = Math.max(lastWrittenAtMs, at);
      if (lostBytes > 0)
        log.warn({ org: orgId, segment: segment.number, lost_bytes: lostBytes }, 'spool: damage is cut off');
      for (const record of records) note(record, starts, ended);
      if (records.length > 0) segments.push(segment);
    }
  } catch (error) {
    log.error({ org: orgId, err: error }, 'spool: what is left from before cannot be read');
  }
  const cut = [...starts.values()].filter(({ callId }) => !ended.has(callId));
  return { segments, cut: cut.map((start) => ({ start, lastWrittenAtMs })) };
}

function note(record: SpooledRecord, starts: Map<string, SpooledRecord>, ended: Set<string>): void {
  const { kind, callId } = record;
  if (kind === 'call') ended.add(callId);
  // A copy: its bytes are part of a segment's, of which there may be many.
  if (kind === 'start') starts.set(callId, { ...record, bytes: Buffer.from(record.bytes) });
  else if (kind === 'call') starts.delete(callId);
}
