/**
 * Writes begin at least this far apart, and what comes meanwhile is one of them. A call that ended alone is written at once: it is no use to wait
 * for others then.
 */
const GATHER_MS = 5;
/** A call that has ended waits for the disk no longer than this. */
const PATIENCE_MS = 1000;

/** The disk is made to keep what it was given at most this often while many calls end, and at once behind a call that ended alone. */
const SYNC_MS = 50;

interface GroupCommitOptions {
  /** Gives the operating system what there is: from then on it outlives the process. */
  readonly write: () => Promise<void>;
  /** Makes the disk keep what was written: from then on it outlives the machine. */
  readonly sync: () => Promise<void>;
  /** Called as the disk begins to fail, and with undefined as it works again. */
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

/**
 * Brings many calls' records to the disk with one write, and one fdatasync behind it. A call waits for the write: it is what a killed process would
 * lose. For the fdatasync nobody waits, since it takes longer than a turn of a call. A disk that fails or hangs keeps nobody waiting.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #group: Group | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  #syncedAt = Number.NEGATIVE_INFINITY;
  #wantsSync = false;
  /** How often something was added, and up to which of those times all is written and durable. */
  #added = 0;
  #written = 0;
  #durable = 0;
  #writeProblem: unknown;
  #syncProblem: unknown;
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
    return this.#writeProblem !== undefined || this.#syncProblem !== undefined;
  }

  /** Something is there to be written. */
  wake(): void {
    this.#added++;
    this.#schedule();
  }

  /** Resolves when all that was added so far is written, or when the disk fails or takes too long. */
  settled(): Promise<void> {
    const isWritten = this.#written === this.#added;
    if (isWritten) this.#wantSync();
    if (isWritten || this.isBroken || this.#isStuck) return Promise.resolve();
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
    if (this.#written < this.#added) await this.#run();
    clearTimeout(this.#timer);
    clearTimeout(this.#syncTimer);
    await this.#syncing;
    clearTimeout(this.#syncTimer);
    if (!this.isDurable && !this.isBroken) await this.#sync();
    clearTimeout(this.#syncTimer);
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
    const waitMs = this.isBroken ? this.#options.retryMs : Math.max(0, GATHER_MS - sinceLast);
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
    this.#running = this.#run().then(() => {
      this.#running = undefined;
      if (this.#group && this.#lastSize <= 1) this.#hurry();
      else if (this.#group || this.#writeProblem !== undefined || this.#hasMore) this.#schedule();
    });
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const group = this.#takeGroup();
    const upTo = this.#added;
    try {
      await this.#options.write();
      this.#written = upTo;
      this.#tell(() => {
        this.#writeProblem = undefined;
      });
      if (group) this.#wantSync();
    } catch (error) {
      this.#tell(() => {
        this.#writeProblem = error;
      });
    }
    this.#isStuck = false;
    this.#hasMore = this.#added > upTo;
    group?.resolve();
    if (this.isBroken) this.#takeGroup()?.resolve();
  }

  #wantSync(): void {
    if (this.#durable >= this.#written) return;
    this.#wantsSync = true;
    if (this.#syncing || this.#syncTimer) return;
    const pauseMs = this.#syncProblem === undefined ? SYNC_MS : this.#options.retryMs;
    const waitMs = Math.max(0, this.#syncedAt + pauseMs - performance.now());
    this.#syncTimer = setTimeout(() => {
      this.#syncTimer = undefined;
      this.#syncing = this.#sync().then(() => {
        this.#syncing = undefined;
        if (this.#wantsSync) this.#wantSync();
      });
    }, waitMs);
  }

  /** Never rejects. */
  async #sync(): Promise<void> {
    const upTo = this.#written;
    this.#wantsSync = false;
    this.#syncedAt = performance.now();
    try {
      await this.#options.sync();
      this.#durable = upTo;
      this.#tell(() => {
        this.#syncProblem = undefined;
      });
    } catch (error) {
      this.#wantsSync = true;
      this.#tell(() => {
        this.#syncProblem = error;
      });
    }
  }

  #takeGroup(): Group | undefined {
    const group = this.#group;
    this.#group = undefined;
    if (group) this.#lastSize = group.size;
    return group;
  }

  #tell(note: () => void): void {
    const wasBroken = this.isBroken;
    note();
    if (this.isBroken !== wasBroken) this.#options.onState(this.#writeProblem ?? this.#syncProblem);
  }
}
