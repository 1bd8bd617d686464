import type { Segment } from './segment.ts';
import type { SegmentLog } from './segment-log.ts';

interface Room {
  readonly logs: readonly SegmentLog[];
  /** Which segments count. */
  readonly counts: (segment: Segment) => boolean;
  /** Bytes that are too many. */
  readonly excess: () => number;
}

interface Candidate {
  readonly log: SegmentLog;
  readonly segment: Segment;
}

/**
 * Drops records until no byte is too many: the oldest steps first, whosever they are, and the oldest calls when there are no steps left. What is
 * being sent just then stays. @throws the error of the file system
 */
export async function makeRoom(room: Room): Promise<void> {
  const passedOver = new Set<Segment>();
  for (let excess = room.excess(); excess > 0; excess = room.excess()) {
    const all = candidates(room);
    const free = all.filter(({ segment }) => !passedOver.has(segment) && !segment.isBusy);
    const withSteps = free.find(({ segment }) => segment.steps > 0);
    const next = withSteps ?? free[0];
    // No call goes for steps that are about to go by themselves.
    if (!next || (!withSteps && excess <= busySteps(all))) return;
    const isDone = await next.log.reduce(next.segment, room.excess, withSteps !== undefined);
    if (!isDone) passedOver.add(next.segment);
  }
}

function busySteps(all: readonly Candidate[]): number {
  return all.reduce((sum, { segment: { isBusy, steps, bytes } }) => sum + (isBusy && steps > 0 ? bytes : 0), 0);
}

function candidates({ logs, counts }: Room): readonly Candidate[] {
  const all = logs.flatMap((log) => log.segments.filter(counts).map((segment) => ({ log, segment })));
  return all.sort((one, other) => one.segment.number - other.segment.number);
}
