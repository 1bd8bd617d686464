/** A record as text, ready to be sent. */
export interface QueuedRecord {
  readonly text: string;
  /** Kept when others have to go: a `call` record is worth more than its steps. */
  readonly isCall: boolean;
}

/**
 * A record that waits, with the line break behind it. As bytes, since the text of a record is put together from many pieces, which would all live on
 * as long as it waits.
 */
export interface WaitingRecord {
  readonly bytes: Buffer;
  readonly isCall: boolean;
}

/** Records in the order in which they came, within a budget of bytes. Pure bookkeeping: nothing is sent here. */
export class RecordQueue {
  readonly #budget: number;
  #records: WaitingRecord[] = [];
  #bytes = 0;

  constructor(budgetBytes: number) {
    this.#budget = budgetBytes;
  }

  get length(): number {
    return this.#records.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds records; returns how many had to be dropped for them. */
  push(records: readonly QueuedRecord[]): number {
    for (const { text, isCall } of records) {
      const bytes = Buffer.from(`${text}\n`);
      this.#records.push({ bytes, isCall });
      this.#bytes += bytes.length;
    }
    return this.#bytes > this.#budget ? this.#makeRoom() : 0;
  }

  /** The oldest records, as many as a batch takes. They stay until `remove`. */
  peek(maxRecords: number, maxBytes: number): readonly WaitingRecord[] {
    let bytes = 0;
    let count = 0;
    for (const record of this.#records) {
      bytes += record.bytes.length;
      if (count >= maxRecords || (count > 0 && bytes > maxBytes)) break;
      count++;
    }
    return this.#records.slice(0, count);
  }

  /** Takes records out that were sent or given up; those that had to go meanwhile are passed over. */
  remove(batch: readonly WaitingRecord[]): void {
    const sent = new Set(batch);
    const head = this.#records.findIndex((record) => !sent.has(record));
    const count = head < 0 ? this.#records.length : head;
    for (let index = 0; index < count; index++) this.#bytes -= this.#records[index]?.bytes.length ?? 0;
    this.#records.splice(0, count);
  }

  /** Drops the oldest steps first, and calls only when there is nothing else; a tenth more than needed, so that it is rare. */
  #makeRoom(): number {
    const target = this.#budget * 0.9;
    const before = this.#records.length;
    this.#drop(target, (record) => !record.isCall);
    this.#drop(target, () => true);
    return before - this.#records.length;
  }

  #drop(target: number, mayGo: (record: WaitingRecord) => boolean): void {
    if (this.#bytes <= target) return;
    this.#records = this.#records.filter((record) => {
      if (this.#bytes <= target || !mayGo(record)) return true;
      this.#bytes -= record.bytes.length;
      return false;
    });
  }
}
