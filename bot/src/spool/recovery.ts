import { stat } from 'node:fs/promises';
import type { Logger } from '@voiceoi/kernel';
import type { SpooledRecord } from './record.ts';
import type { Segment } from './segment.ts';
import { leftSegments, readLeftSegment } from './segment-files.ts';

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

/** Reads what is left in a folder. Never rejects: what cannot be read is told of and left for the next start. */
export async function readLeft({ orgId, folder, openCalls, log }: RecoveryOptions): Promise<Left> {
  const segments: Segment[] = [];
  const starts = new Map(openCalls.map((start) => [start.callId, start]));
  const ended = new Set<string>();
  // Calls whose start is in no segment any more may be all that is left: the folder tells when the last segment came or went.
  let lastWrittenAtMs = await stat(folder).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  const unreadable = (error: unknown): void =>
    log.error({ org: orgId, err: error }, 'spool: what is left from before cannot be read');
  const numbers = (await leftSegments(folder).catch(unreadable)) ?? [];
  for (const number of numbers) {
    // One at a time: together they may be more than memory holds.
    const left = await readLeftSegment(folder, number).catch(unreadable);
    if (!left) continue;
    lastWrittenAtMs = Math.max(lastWrittenAtMs, left.at);
    if (left.lostBytes > 0)
      log.warn({ org: orgId, segment: number, lost_bytes: left.lostBytes }, 'spool: damage is cut off');
    for (const record of left.records) note(record, starts, ended);
    if (left.records.length > 0) segments.push(left.segment);
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
