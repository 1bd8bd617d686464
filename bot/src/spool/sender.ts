import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { type Backoff, backoff, type Logger, pause } from '@voiceoi/kernel';
import { createPoster, type PostAnswer, type Poster } from './post.ts';
import type { RecordQueue, WaitingRecord } from './queue.ts';

const compress = promisify(gzip);

/** What came of sending a batch. */
type Sent =
  | { readonly kind: 'stored'; readonly rejected: readonly unknown[] }
  | { readonly kind: 'later'; readonly afterMs: number | undefined; readonly why: string }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'refused'; readonly why: string };

interface SenderOptions {
  readonly url: string;
  readonly key: string;
  readonly queue: RecordQueue;
  readonly log: Logger;
  /** How soon records are sent. */
  readonly flushMs: number;
  readonly onRejected: (count: number) => void;
  /** First wait between tries, which doubles up to 30 s. */
  readonly retryMs: number;
  /** How long an answer may take. */
  readonly timeoutMs: number;
}

/** Bounds of a batch (sync-protocol.md, Logs the other way). */
const BATCH_RECORDS = 500;
const BATCH_BYTES = 256 * 1024;
/** The quickest level makes records a fifth already; better ones cost more than the calls themselves. */
const GZIP = { level: constants.Z_BEST_SPEED, chunkSize: 64 * 1024 };

/** A master that asks for more patience than this is asked again all the same. */
const LONGEST_WAIT_MS = 5 * 60_000;

/** Sends one organization's records in order, one batch at a time. */
export class LogSender {
  readonly #options: SenderOptions;
  readonly #waits: Backoff;
  readonly #post: Poster;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #batchRecords = BATCH_RECORDS;
  #isStopped = false;
  #problem: string | undefined;
  #nextWaitMs = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#waits = backoff({ initialMs: options.retryMs, random: Math.random });
    this.#post = createPoster(options.url, options.timeoutMs);
  }

  /** Records have come: they go soon, or at once when a batch is full. */
  wake(): void {
    if (this.#isStopped || this.#running) return;
    if (this.#options.queue.length >= this.#batchRecords && this.#problem === undefined) this.#schedule(0);
    else if (!this.#timer) this.#schedule(this.#options.flushMs);
  }

  /** Sends what there is now, with further tries as far apart as ever; resolves when the queue is empty or `signal` is aborted. */
  async drain(signal: AbortSignal): Promise<void> {
    while (!this.#isStopped && !signal.aborted) {
      await this.#run(true);
      if (this.#options.queue.length === 0) return;
      if (this.#problem !== undefined) await pause(this.#nextWaitMs, signal);
    }
  }

  /** Sends nothing more; what is being sent is given up. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#post.close();
    await this.#running;
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#run();
    }, ms);
  }

  #run(untilEmpty = false): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running ??= this.#sendAll(untilEmpty).then((nextMs) => {
      this.#running = undefined;
      this.#nextWaitMs = nextMs ?? this.#options.flushMs;
      // Records may have come after the queue was found empty.
      if (this.#options.queue.length > 0 && !this.#isStopped) this.#schedule(this.#nextWaitMs);
    });
    return this.#running;
  }

  /**
   * Sends what there is and then full batches; what has come meanwhile waits for its own time, since many small requests cost more than the calls.
   * Returns when to go on, if there is anything left. Never rejects.
   */
  async #sendAll(untilEmpty: boolean): Promise<number | undefined> {
    const { queue, flushMs } = this.#options;
    for (let isFirst = true; queue.length > 0 && !this.#isStopped; isFirst = false) {
      if (!isFirst && !untilEmpty && queue.length < this.#batchRecords) return flushMs;
      const batch = queue.peek(this.#batchRecords, BATCH_BYTES);
      const sent = await this.#send(batch);
      if (sent.kind === 'later') return this.#postpone(sent);
      this.#settle(batch, sent);
    }
    return undefined;
  }

  #postpone({ afterMs, why }: Extract<Sent, { kind: 'later' }>): number {
    if (this.#problem !== why)
      this.#options.log.warn({ waiting: this.#options.queue.length }, `call records wait: ${why}`);
    this.#problem = why;
    const wait = this.#waits.next();
    return afterMs === undefined ? wait : Math.min(Math.max(afterMs, wait), LONGEST_WAIT_MS);
  }

  #settle(batch: readonly WaitingRecord[], sent: Exclude<Sent, { kind: 'later' }>): void {
    const { queue, log, onRejected } = this.#options;
    if (sent.kind === 'too_large' && batch.length > 1) {
      this.#batchRecords = Math.max(1, Math.floor(batch.length / 2));
      return;
    }
    queue.remove(batch);
    this.#batchRecords = Math.min(this.#batchRecords * 2, BATCH_RECORDS);
    this.#waits.reset();
    if (this.#problem !== undefined) log.info('call records are sent again');
    this.#problem = undefined;
    const rejected = sent.kind === 'stored' ? sent.rejected.length : batch.length;
    if (rejected === 0) return;
    onRejected(rejected);
    const why = sent.kind === 'stored' ? sent.rejected.slice(0, 5) : sent.kind === 'refused' ? sent.why : sent.kind;
    log.error({ rejected, why }, 'the master does not take these records');
  }

  async #send(batch: readonly WaitingRecord[]): Promise<Sent> {
    const headers = {
      'content-type': 'application/x-ndjson',
      'content-encoding': 'gzip',
      'x-organization-secret': this.#options.key,
    };
    try {
      const lines = Buffer.concat(batch.map(({ bytes }) => bytes));
      // Without the last line break, behind which there would be one record more.
      const body = await compress(lines.subarray(0, -1), GZIP);
      return readAnswer(await this.#post.send(headers, body));
    } catch {
      return { kind: 'later', afterMs: undefined, why: 'the master does not answer' };
    }
  }
}

function readAnswer({ status, retryAfter, text }: PostAnswer): Sent {
  if (status >= 200 && status <= 299) return { kind: 'stored', rejected: rejectedIn(text) };
  if (status === 413) return { kind: 'too_large' };
  // A key that is refused may be good again after its rotation, and a proxy in between may send elsewhere for a while: the records are kept.
  const isForGood = status >= 400 && status <= 499 && ![401, 403, 408, 429].includes(status);
  if (isForGood) return { kind: 'refused', why: `the master answered ${status}` };
  const seconds = Number(retryAfter);
  return { kind: 'later', afterMs: seconds > 0 ? seconds * 1000 : undefined, why: `the master answered ${status}` };
}

/** The records that the master did not store, with its reasons; none where its answer cannot be read, since it says that it has them. */
function rejectedIn(text: string): readonly unknown[] {
  try {
    const answer: unknown = JSON.parse(text);
    const isAnswer = typeof answer === 'object' && answer !== null && 'rejected' in answer;
    return isAnswer && Array.isArray(answer.rejected) ? answer.rejected : [];
  } catch {
    return [];
  }
}
