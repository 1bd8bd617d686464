/**
 * Writes begin at least this far apart, and what comes meanwhile is one of them. A call that ended alone is written at once: it is no use to wait
 * for others then.
 */
const GATHER_MS = 5;
/** A call that has ended waits for the disk no longer than this. */
const PATIENCE_MS = 1000;

interface GroupCommitOptions {
  /** Writes what there is, and makes it durable when asked to. */
  readonly write: (isDurable: boolean) => Promise<void>;
  /** Called as writing begins to fail, and with undefined as it works again. */
  readonly onState: (problem: unknown) => void;
  /** How soon a disk that fails is tried again. */
  readonly retryMs: number;
}

interface Group {
  /** How many wait for it. */
  size: number;
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** Brings many calls' records to the disk with one write and one fdatasync. A disk that fails or hangs keeps nobody waiting. */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #group: Group | undefined;
  /** How often something was added, and up to which of those times all is durable. */
  #added = 0;
  #durable = 0;
  #isBroken = false;
  #isStuck = false;
  #hasMore = false;
  #isHurrying = false;
  #lastSize = 0;
  #startedAt = 0;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  get isDurable(): boolean {
    return this.#durable === this.#added;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Something is there to be written. */
  wake(): void {
    this.#added++;
    this.#schedule();
  }

  /** Resolves when all that was added so far is durable, or when the disk fails or takes too long. */
  settled(): Promise<void> {
    if (this.isDurable || this.#isBroken || this.#isStuck) return Promise.resolve();
    this.#group ??= this.#makeGroup();
    this.#group.size++;
    if (this.#lastSize <= 1) this.#hurry();
    else this.#schedule();
    return this.#group.promise;
  }

  /** Makes everything durable at once, as far as the disk lets it, and then writes no more. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#running;
    clearTimeout(this.#timer);
    if (!this.isDurable) await this.#run(true);
    clearTimeout(this.#timer);
  }

  #makeGroup(): Group {
    let resolve: () => void = () => {};
    const promise = new Promise<void>((done) => {
      const timer = setTimeout(() => {
        this.#isStuck = true;
        done();
      }, PATIENCE_MS);
      resolve = () => {
        clearTimeout(timer);
        done();
      };
    });
    return { size: 0, promise, resolve };
  }

  #schedule(): void {
    if (this.#timer || this.#running) return;
    const sinceLast = performance.now() - this.#startedAt;
    const waitMs = this.#isBroken ? this.#options.retryMs : Math.max(0, GATHER_MS - sinceLast);
    this.#timer = setTimeout(() => this.#start(), waitMs);
  }

  #hurry(): void {
    if (this.#isHurrying || this.#running) return;
    this.#isHurrying = true;
    setImmediate(() => {
      this.#isHurrying = false;
      if (!this.#running && this.#group) this.#start();
    });
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#startedAt = performance.now();
    this.#running = this.#run(false).then(() => {
      this.#running = undefined;
      if (this.#group && this.#lastSize <= 1) this.#hurry();
      else if (this.#group || this.#isBroken || this.#hasMore) this.#schedule();
    });
  }

  /** Never rejects. */
  async #run(isDurable: boolean): Promise<void> {
    const group = this.#takeGroup();
    const upTo = this.#added;
    try {
      await this.#options.write(isDurable || group !== undefined);
      if (isDurable || group) this.#durable = upTo;
      this.#tell(undefined);
    } catch (error) {
      this.#tell(error);
    }
    this.#isStuck = false;
    this.#hasMore = this.#added > upTo;
    group?.resolve();
    if (this.#isBroken) this.#takeGroup()?.resolve();
  }

  #takeGroup(): Group | undefined {
    const group = this.#group;
    this.#group = undefined;
    if (group) this.#lastSize = group.size;
    return group;
  }

  #tell(problem: unknown): void {
    const isBroken = problem !== undefined;
    if (isBroken !== this.#isBroken) this.#options.onState(problem);
    this.#isBroken = isBroken;
  }
}
