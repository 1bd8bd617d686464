import { type ConfigSource, type MasterAnswer, MasterError } from './config-source.ts';
import type { Applied } from './machine.ts';

/** `check`: whether ours is current, and what is new if not; `since`: what is new; `whole`: everything, whatever we have. */
export type Asked = 'check' | 'since' | 'whole';

interface FetcherOptions {
  readonly source: ConfigSource;
  readonly signal: AbortSignal;
  /** What the node has now. */
  readonly held: () => Applied | undefined;
  readonly onAnswer: (answer: MasterAnswer) => void;
  /** The master did not answer, or refused. */
  readonly onFailure: (message: string) => void;
  /** Questions that are not urgent are this far apart. */
  readonly calmMs: number;
}

/** Asks the master one question at a time. What is asked for meanwhile is asked right after, once. */
export class Fetcher {
  readonly #options: FetcherOptions;
  #running: Promise<void> | undefined;
  #next: Asked | undefined;
  #calm: NodeJS.Timeout | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** ETag of the bundle whose content we have, while we have just that. */
  #tag: { readonly etag: string; readonly sha256: string } | undefined;

  constructor(options: FetcherOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => clearTimeout(this.#calm));
  }

  /** Asks soon, without anybody waiting for it; `calm`: not sooner than a while after the last question. */
  want(what: Asked, calm: boolean): void {
    const waitMs = calm ? this.#askedAt + this.#options.calmMs - performance.now() : 0;
    if (waitMs <= 0) return void this.fetch(what);
    this.#next = widest(this.#next, what);
    if (this.#calm || this.#options.signal.aborted) return;
    this.#calm = setTimeout(() => {
      this.#calm = undefined;
      void this.fetch(this.#next ?? what);
    }, waitMs);
  }

  /** Asks now; resolves when it was answered, with all that was asked for meanwhile. Never rejects. */
  fetch(what: Asked): Promise<void> {
    clearTimeout(this.#calm);
    this.#calm = undefined;
    if (this.#running) {
      this.#next = widest(this.#next, what);
      return this.#running;
    }
    const wanted = widest(this.#next, what);
    this.#next = undefined;
    this.#running = this.#ask(wanted).then(() => {
      this.#running = undefined;
      const next = this.#next;
      return next && !this.#calm && !this.#options.signal.aborted ? this.fetch(next) : undefined;
    });
    return this.#running;
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  async #ask(what: Asked): Promise<void> {
    this.#askedAt = performance.now();
    const { onAnswer, onFailure, held } = this.#options;
    try {
      const answer = await this.#request(what);
      onAnswer(answer);
      if (answer.kind !== 'bundle') return;
      const sha256 = held()?.sha256;
      // Only of a bundle that was taken: else the master would say for ever that ours, which it is not, is current.
      const isTaken = sha256 !== undefined && sha256 === claimedSha256(answer.bundle);
      this.#tag = isTaken && answer.etag !== undefined ? { etag: answer.etag, sha256 } : undefined;
    } catch (error) {
      if (this.#options.signal.aborted) return;
      onFailure(error instanceof MasterError ? error.message : String(error));
    }
  }

  #request(what: Asked): Promise<MasterAnswer> {
    const { source, signal, held } = this.#options;
    const ours = held();
    if (!ours || what === 'whole') return source.fetchWhole(undefined, signal);
    if (what === 'check' && this.#tag?.sha256 === ours.sha256) return source.fetchWhole(this.#tag.etag, signal);
    return source.fetchSince(ours.content, signal);
  }
}

function widest(a: Asked | undefined, b: Asked): Asked {
  const order: readonly Asked[] = ['check', 'since', 'whole'];
  return a !== undefined && order.indexOf(a) > order.indexOf(b) ? a : b;
}

function claimedSha256(bundle: unknown): unknown {
  return typeof bundle === 'object' && bundle !== null && 'sha256' in bundle ? bundle.sha256 : undefined;
}
