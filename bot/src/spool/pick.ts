import type { SpooledRecord } from './record.ts';

/** As many records as a batch takes, and at least one if there is any. */
export function batchOf(
  records: readonly SpooledRecord[],
  from: number,
  maxRecords: number,
  maxBytes: number,
): readonly SpooledRecord[] {
  let bytes = 0;
  let to = from;
  for (const record of records.slice(from, from + maxRecords)) {
    bytes += record.bytes.length + 1;
    if (to > from && bytes > maxBytes) break;
    to++;
  }
  return records.slice(from, to);
}

/** What has to go, the oldest first, to have about this many bytes less, and what stays. `onlySteps`: no `call` goes. */
export function withoutOldest(records: readonly SpooledRecord[], excess: number, onlySteps: boolean) {
  let left = excess;
  const dropped: SpooledRecord[] = [];
  const kept = records.filter((record) => {
    if (left <= 0 || (onlySteps && record.kind === 'call')) return true;
    left -= record.bytes.length;
    dropped.push(record);
    return false;
  });
  return { kept, dropped };
}
