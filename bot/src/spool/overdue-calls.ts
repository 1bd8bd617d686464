import type { KilledRecord } from './record.ts';

/** Where it stands whether a call has its record. */
interface OpenOnes {
  keepOpen(callId: string): void;
  isOpen(callId: string): boolean;
}

interface Overdue {
  readonly orgId: string;
  readonly open: OpenOnes;
  readonly record: KilledRecord;
}

/**
 * Calls that were cut here but may go on, at another node or at this one: their record waits until they must be over, since the first one counts.
 * Until then their start is kept like that of a call in flight, so that a further restart knows of them.
 */
export class OverdueCalls {
  readonly #write: (orgId: string, record: KilledRecord) => void;
  readonly #everyMs: number;
  #waiting: readonly Overdue[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(write: (orgId: string, record: KilledRecord) => void, everyMs: number) {
    this.#write = write;
    this.#everyMs = everyMs;
  }

  /** Returns the records of those that are over; the others get theirs in time. */
  sort(orgId: string, open: OpenOnes, records: readonly KilledRecord[]): readonly KilledRecord[] {
    const now = Date.now();
    const later = records.filter(({ notBeforeMs = 0 }) => notBeforeMs > now);
    for (const { callId } of later) open.keepOpen(callId);
    this.#waiting = [...this.#waiting, ...later.map((record) => ({ orgId, open, record }))];
    if (this.#waiting.length > 0) this.#timer ??= setInterval(() => this.#look(Date.now()), this.#everyMs).unref();
    return records.filter(({ notBeforeMs = 0 }) => notBeforeMs <= now);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(now: number): void {
    const isDue = ({ record: { notBeforeMs = 0 } }: Overdue): boolean => notBeforeMs <= now;
    const due = this.#waiting.filter(isDue);
    this.#waiting = this.#waiting.filter((one) => !isDue(one) && one.open.isOpen(one.record.callId));
    // One that has gone on here has its record already.
    for (const { orgId, open, record } of due) if (open.isOpen(record.callId)) this.#write(orgId, record);
    if (this.#waiting.length === 0) this.stop();
  }
}
