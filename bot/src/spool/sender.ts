import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { backoff, type Logger } from '@voiceoi/kernel';
import { createPoster, type PostAnswer } from './post.ts';
import type { QueuedRecord, RecordQueue } from './queue.ts';

const compress = promisify(gzip);

/** What came of sending a batch. */
type Sent =
  | { readonly kind: 'stored'; readonly rejected: number }
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
}

/** Bounds of a batch (sync-protocol.md, Logs the other way). */
const BATCH_RECORDS = 500;
const BATCH_BYTES = 256 * 1024;
/** How soon the end of a process tries again: its time is short. */
const DRAIN_RETRY_MS = 500;
/** The quickest level makes records a fifth already; better ones cost more than the calls themselves. */
const GZIP = { level: constants.Z_BEST_SPEED, chunkSize: 64 * 1024 };

/** Sends one organization's records in order, one batch at a time. */
export class LogSender {
  readonly #options: SenderOptions;
  readonly #waits = backoff({ random: Math.random });
  readonly #post: ReturnType<typeof createPoster>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #batchRecords = BATCH_RECORDS;
  #isStopped = false;
  #problem: string | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#post = createPoster(options.url);
  }

  /** Records have come: they go soon, or at once when a batch is full. */
  wake(): void {
    if (this.#isStopped || this.#running) return;
    if (this.#options.queue.length >= this.#batchRecords && this.#problem === undefined) this.#schedule(0);
    else if (!this.#timer) this.#schedule(this.#options.flushMs);
  }

  /** Sends what there is now, trying again as long as it takes; resolves when the queue is empty or the sender is stopped. */
  async drain(): Promise<void> {
    while (this.#options.queue.length > 0 && !this.#isStopped) {
      await this.#running;
      clearTimeout(this.#timer);
      await this.#run(true);
      if (this.#options.queue.length > 0) await new Promise((resolve) => setTimeout(resolve, DRAIN_RETRY_MS));
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
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
    this.#running ??= this.#sendAll(untilEmpty).then((nextMs) => {
      this.#running = undefined;
      if (nextMs !== undefined && !this.#isStopped) this.#schedule(nextMs);
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
    return afterMs === undefined ? wait : Math.max(afterMs, wait);
  }

  #settle(batch: readonly QueuedRecord[], sent: Exclude<Sent, { kind: 'later' }>): void {
    const { queue, log, onRejected } = this.#options;
    if (sent.kind === 'too_large' && batch.length > 1) {
      this.#batchRecords = Math.max(1, Math.floor(batch.length / 2));
      return;
    }
    queue.remove(batch);
    this.#batchRecords = BATCH_RECORDS;
    this.#waits.reset();
    if (this.#problem !== undefined) log.info('call records are sent again');
    this.#problem = undefined;
    const rejected = sent.kind === 'stored' ? sent.rejected : batch.length;
    if (rejected === 0) return;
    onRejected(rejected);
    log.error(
      { rejected, why: sent.kind === 'refused' ? sent.why : sent.kind },
      'the master does not take these records',
    );
  }

  async #send(batch: readonly QueuedRecord[]): Promise<Sent> {
    const headers = {
      'content-type': 'application/x-ndjson',
      'content-encoding': 'gzip',
      'x-organization-secret': this.#options.key,
    };
    try {
      const body = await compress(batch.map(({ text }) => text).join('\n'), GZIP);
      return readAnswer(await this.#post(headers, body));
    } catch {
      return { kind: 'later', afterMs: undefined, why: 'the master does not answer' };
    }
  }
}

function readAnswer({ status, retryAfter, text }: PostAnswer): Sent {
  if (status >= 200 && status <= 299) return { kind: 'stored', rejected: rejectedCount(JSON.parse(text)) };
  if (status === 413) return { kind: 'too_large' };
  // A key that is refused may be good again after its rotation: the records are kept.
  const isTemporary = status >= 500 || status === 429 || status === 408 || status === 401 || status === 403;
  if (!isTemporary) return { kind: 'refused', why: `the master answered ${status}` };
  const seconds = Number(retryAfter);
  return { kind: 'later', afterMs: seconds > 0 ? seconds * 1000 : undefined, why: `the master answered ${status}` };
}

function rejectedCount(answer: unknown): number {
  const isAnswer = typeof answer === 'object' && answer !== null && 'rejected' in answer;
  return isAnswer && Array.isArray(answer.rejected) ? answer.rejected.length : 0;
}
