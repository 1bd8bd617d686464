import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { type Backoff, backoff, type Logger, pause } from '@voiceoi/kernel';
import { askWithKeys, type OrgKeys } from '../keys/index.ts';
import type { DeadLetter } from './dead-letters.ts';
import { createPoster, type PostAnswer, type Poster } from './post.ts';
import type { SpooledRecord } from './record.ts';

const compress = promisify(gzip);

/** Records in the order in which they came, of which the oldest are taken. */
export interface RecordQueue {
  readonly length: number;
  /** There are records that need not wait for others. */
  readonly hasSealed: boolean;
  /** The oldest records, as many as a batch takes. They stay until `remove`, or until `keep` gives them back. Rejects when they cannot be read. */
  peek(maxRecords: number, maxBytes: number): Promise<readonly SpooledRecord[]>;
  remove(batch: readonly SpooledRecord[]): Promise<void>;
  keep(): void;
}

/** What came of sending a batch. */
type Sent =
  | { readonly kind: 'stored'; readonly rejected: readonly Rejected[] }
  | { readonly kind: 'later'; readonly afterMs: number | undefined; readonly why: string }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'refused'; readonly why: string };

/** A record that the master did not store, by its place in the batch. */
interface Rejected {
  readonly index: number;
}

interface SenderOptions {
  readonly url: string;
  readonly keys: OrgKeys;
  readonly queue: RecordQueue;
  readonly log: Logger;
  /** How soon records are sent. */
  readonly flushMs: number;
  /** Never rejects. */
  readonly onRejected: (letters: readonly DeadLetter[]) => Promise<void>;
  /** First wait between tries, which doubles up to 30 s. */
  readonly retryMs: number;
  /** How long an answer may take. */
  readonly timeoutMs: number;
}

type Later = Extract<Sent, { kind: 'later' }>;

const LINE_BREAK = Buffer.from('\n');
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
  /** There is reason for another try, which came while one was under way. */
  #isHopeful = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#waits = backoff({ initialMs: options.retryMs, random: Math.random });
    this.#post = createPoster(options.url, options.timeoutMs);
  }

  /** Records have come: they go soon, or at once when a segment is full. */
  wake(): void {
    if (this.#isStopped || this.#running) return;
    if (this.#options.queue.hasSealed && this.#problem === undefined) this.#schedule(0);
    else if (!this.#timer) this.#schedule(this.#options.flushMs);
  }

  /** What kept the master from taking records may be over: the next try comes at once. */
  retry(): void {
    this.#isHopeful = this.#running !== undefined;
    if (!this.#isStopped && !this.#running && this.#options.queue.length > 0) this.#schedule(0);
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
      this.#nextWaitMs = this.#isHopeful ? 0 : (nextMs ?? this.#options.flushMs);
      this.#isHopeful = false;
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
      if (!isFirst && !untilEmpty && !queue.hasSealed) return flushMs;
      const later = await this.#sendOne().catch((error: unknown): Later => {
        queue.keep();
        return { kind: 'later', afterMs: undefined, why: `the spool fails: ${String(error)}` };
      });
      if (later) return this.#postpone(later);
    }
    return undefined;
  }

  async #sendOne(): Promise<Later | undefined> {
    const { queue } = this.#options;
    const batch = await queue.peek(this.#batchRecords, BATCH_BYTES);
    if (batch.length === 0) return void (await queue.remove(batch));
    const sent = await this.#send(batch);
    if (sent.kind !== 'later') return void (await this.#settle(batch, sent));
    queue.keep();
    return sent;
  }

  #postpone({ afterMs, why }: Later): number {
    if (this.#problem !== why)
      this.#options.log.warn({ waiting: this.#options.queue.length }, `call records wait: ${why}`);
    this.#problem = why;
    const wait = this.#waits.next();
    return afterMs === undefined ? wait : Math.min(Math.max(afterMs, wait), LONGEST_WAIT_MS);
  }

  async #settle(batch: readonly SpooledRecord[], sent: Exclude<Sent, Later>): Promise<void> {
    const { queue, log } = this.#options;
    if (sent.kind === 'too_large' && batch.length > 1) {
      this.#batchRecords = Math.max(1, Math.floor(batch.length / 2));
      return queue.keep();
    }
    await this.#bury(lettersOf(batch, sent));
    await queue.remove(batch);
    this.#batchRecords = Math.min(this.#batchRecords * 2, BATCH_RECORDS);
    this.#waits.reset();
    if (this.#problem !== undefined) log.info('call records are sent again');
    this.#problem = undefined;
  }

  async #bury(letters: readonly DeadLetter[]): Promise<void> {
    if (letters.length === 0) return;
    const why = letters.slice(0, 5).map(({ reason }) => reason);
    this.#options.log.error({ rejected: letters.length, why }, 'the master does not take these records');
    await this.#options.onRejected(letters);
  }

  async #send(batch: readonly SpooledRecord[]): Promise<Sent> {
    const headers = {
      'content-type': 'application/x-ndjson',
      'content-encoding': 'gzip',
    };
    try {
      const body = await compress(linesOf(batch), GZIP);
      const send = (key: string) => this.#post.send({ ...headers, 'x-organization-secret': key }, body);
      return readAnswer(await askWithKeys(this.#options.keys, send));
    } catch {
      return { kind: 'later', afterMs: undefined, why: 'the master does not answer' };
    }
  }
}

/** NDJSON, without a line break at the end, behind which there would be one record more. */
function linesOf(batch: readonly SpooledRecord[]): Buffer {
  return Buffer.concat(batch.flatMap(({ bytes }, index) => (index === 0 ? [bytes] : [LINE_BREAK, bytes])));
}

/** The records that the master will never take, each with its reason. */
function lettersOf(batch: readonly SpooledRecord[], sent: Exclude<Sent, Later>): readonly DeadLetter[] {
  if (sent.kind === 'too_large') return batch.map((record) => ({ record, reason: 'the master finds it too large' }));
  if (sent.kind === 'refused') return batch.map((record) => ({ record, reason: sent.why }));
  return sent.rejected.flatMap((reason) => {
    const record = batch[reason.index];
    return record ? [{ record, reason }] : [];
  });
}

function readAnswer({ status, retryAfter, text }: PostAnswer): Sent {
  // The contract's one answer: a page of a proxy or of something else that listens there says 200, and has stored nothing.
  if (status === 202) return { kind: 'stored', rejected: rejectedIn(text) };
  if (status === 413) return { kind: 'too_large' };
  // A key that is refused may be good again after its rotation, and a proxy in between may send elsewhere for a while: the records are kept.
  const isForGood = status >= 400 && status <= 499 && ![401, 403, 404, 405, 408, 429].includes(status);
  if (isForGood) return { kind: 'refused', why: `the master answered ${status}` };
  const seconds = Number(retryAfter);
  return { kind: 'later', afterMs: seconds > 0 ? seconds * 1000 : undefined, why: `the master answered ${status}` };
}

/** The records that the master did not store, with its reasons; none where its answer cannot be read, since it says that it has them. */
function rejectedIn(text: string): readonly Rejected[] {
  try {
    const answer: unknown = JSON.parse(text);
    const isAnswer = typeof answer === 'object' && answer !== null && 'rejected' in answer;
    return isAnswer && Array.isArray(answer.rejected) ? answer.rejected.filter(isRejected) : [];
  } catch {
    return [];
  }
}

function isRejected(value: unknown): value is Rejected {
  return typeof value === 'object' && value !== null && 'index' in value && typeof value.index === 'number';
}
