import type { BundleContent, Change } from '@voiceoi/contracts';
import { backoff, type Logger, type OrgKey, verifyChange } from '@voiceoi/kernel';
import type { BundleStore } from './bundle-store.ts';
import { initialSyncState, type Source, type SyncAction, type SyncEvent, type SyncState, syncStep } from './machine.ts';
import { type ConfigSource, MasterError } from './master-client.ts';
import { makePlayable, type PlayableOrg } from './playable.ts';

/** What keeps one organization's configuration current. */
export interface OrgSyncOptions {
  readonly key: OrgKey;
  readonly source: ConfigSource;
  readonly store: BundleStore;
  /** A bundle to begin with when nothing else is there. */
  readonly bootstrap: unknown;
  readonly log: Logger;
  readonly random: () => number;
  readonly onApply: (applied: PlayableOrg, source: Source, propagationSeconds: number | undefined) => void;
}

/** How current an organization's configuration is. */
export interface OrgSyncStatus {
  readonly orgId: string;
  readonly epoch: string | undefined;
  readonly applied: number | undefined;
  /** Since the master last confirmed it; Infinity when it never has. */
  readonly ageSeconds: number;
  readonly source: Source | undefined;
  readonly problem: string | undefined;
}

/** A running sync. */
export interface OrgSync {
  readonly playable: () => PlayableOrg | undefined;
  readonly status: () => OrgSyncStatus;
  stop(): Promise<void>;
}

/** Looked at anew although the stream says nothing: anti-entropy. */
const POLL_MS = 60_000;
/** While there is no stream. */
const POLL_WITHOUT_STREAM_MS = 15_000;
/** Health after which waits between tries start over. */
const HEALTHY_MS = 60_000;

/** Starts from the disk, then the master, then the bootstrap bundle, and follows the master's stream; resolves once the disk was read. */
export async function startOrgSync(options: OrgSyncOptions): Promise<OrgSync> {
  const sync = new RunningSync(options);
  await sync.begin();
  return sync;
}

class RunningSync implements OrgSync {
  readonly #options: OrgSyncOptions;
  readonly #stopping = new AbortController();
  #state: SyncState;
  #playable: PlayableOrg | undefined;
  #source: Source | undefined;
  #confirmedAt: number | undefined;
  #problem: string | undefined;
  #etag: string | undefined;
  #streaming = false;
  #saving: Promise<void> = Promise.resolve();
  #fetching: Promise<void> | undefined;
  #loops: Promise<unknown> = Promise.resolve();
  #fetchNext: 'since' | 'whole' | undefined;

  constructor(options: OrgSyncOptions) {
    this.#options = options;
    this.#state = initialSyncState(options.key.orgId);
  }

  readonly playable = (): PlayableOrg | undefined => this.#playable;

  readonly status = (): OrgSyncStatus => ({
    orgId: this.#options.key.orgId,
    epoch: this.#playable?.epoch,
    applied: this.#playable?.revision,
    ageSeconds:
      this.#confirmedAt === undefined ? Number.POSITIVE_INFINITY : (performance.now() - this.#confirmedAt) / 1000,
    source: this.#source,
    problem: this.#problem,
  });

  async begin(): Promise<void> {
    const { key, store } = this.#options;
    const kept = await store.load(key.orgId);
    if (kept !== undefined) this.#handle({ kind: 'bundle', bundle: kept, source: 'disk' });
    this.#loops = Promise.all([this.#pollLoop(), this.#streamLoop()]);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await this.#saving;
  }

  /** One event through the machine, and what follows from it. Synchronous, so events take hold one after the other. */
  #handle(event: SyncEvent): void {
    const before = this.#state;
    const { state, actions } = syncStep(before, event, (change: Change) => verifyChange(this.#options.key, change));
    this.#state = state;
    for (const action of actions) this.#act(action);
  }

  #act(action: SyncAction): void {
    switch (action.kind) {
      case 'apply':
        return this.#apply(action);
      case 'confirm':
        this.#confirm();
        return;
      case 'fetch':
        // What the master holds is wanted now, whatever it said before.
        if (action.what === 'whole') this.#etag = undefined;
        void this.#fetch(action.what);
        return;
      case 'report':
        this.#problem = action.message;
        this.#options.log.warn({ org: this.#options.key.orgId, code: action.code }, action.message);
        return;
      default:
        action satisfies never;
    }
  }

  #apply({ content, sha256, source, committedAt }: Extract<SyncAction, { kind: 'apply' }>): void {
    this.#playable = makePlayable(content, sha256, this.#playable);
    this.#source = source;
    this.#problem = undefined;
    const fromMaster = source !== 'disk' && source !== 'bootstrap';
    if (fromMaster) {
      this.#confirm();
      this.#save(content, sha256);
    }
    const lag =
      committedAt === undefined
        ? undefined
        : (Date.now() + this.#options.source.clockSkewMs() - Date.parse(committedAt)) / 1000;
    this.#options.onApply(this.#playable, source, lag === undefined ? undefined : Math.max(0, lag));
  }

  #confirm(): void {
    this.#confirmedAt = performance.now();
  }

  /** Writes one after the other; only the newest of those that wait is worth writing. */
  #save(content: BundleContent, sha256: string): void {
    const bundle = {
      schema: 1,
      ...content,
      sha256,
      generated_at: new Date().toISOString(),
      secrets: [],
      bus: { kind: 'stream' },
    };
    this.#saving = this.#saving.then(async () => {
      if (this.#state.content !== content) return;
      await this.#options.store.save(content.org_id, bundle).catch((error: unknown) => {
        this.#options.log.error(
          { err: error, org: content.org_id },
          'the configuration cannot be kept on disk: a restart would begin with an older one',
        );
      });
    });
  }

  /** Asks the master; one question at a time, and what is asked for meanwhile right after. Never rejects. */
  #fetch(what: 'since' | 'whole'): Promise<void> {
    if (this.#fetching) {
      this.#fetchNext = this.#fetchNext === 'whole' ? 'whole' : what;
      return this.#fetching;
    }
    this.#fetching = this.#ask(what).then(() => {
      this.#fetching = undefined;
      const next = this.#fetchNext;
      this.#fetchNext = undefined;
      return next && !this.#stopping.signal.aborted ? this.#fetch(next) : undefined;
    });
    return this.#fetching;
  }

  async #ask(what: 'since' | 'whole'): Promise<void> {
    const { source } = this.#options;
    const { content } = this.#state;
    try {
      const answer =
        what === 'since' && content
          ? await source.fetchSince(content.epoch, content.revision)
          : await source.fetchWhole(this.#etag);
      this.#problem = undefined;
      if (answer.kind === 'current') this.#handle({ kind: 'current', source: 'poll' });
      else if (answer.kind === 'changes')
        for (const change of answer.changes) this.#handle({ kind: 'change', change, source: 'poll' });
      else this.#takeBundle(answer.bundle, answer.etag);
    } catch (error) {
      this.#etag = undefined;
      this.#failed(error);
    }
  }

  #takeBundle(bundle: unknown, etag: string | undefined): void {
    const before = this.#state;
    this.#handle({ kind: 'bundle', bundle, source: 'poll' });
    // The ETag counts only for a bundle that was taken: else the next answer would be 304 for ever.
    const isCurrent = this.#state !== before || this.#state.content !== undefined;
    this.#etag = isCurrent && this.#state.mismatch === undefined ? etag : undefined;
  }

  #failed(error: unknown): void {
    const { log, key, bootstrap } = this.#options;
    const message = error instanceof MasterError ? error.message : String(error);
    if (this.#problem !== message)
      log.warn(
        { org: key.orgId, playing: this.#playable?.revision ?? null },
        `${message}: going on with what is there`,
      );
    this.#problem = message;
    if (!this.#state.content && bootstrap !== undefined)
      this.#handle({ kind: 'bundle', bundle: bootstrap, source: 'bootstrap' });
  }

  async #pollLoop(): Promise<void> {
    const waits = backoff({ random: this.#options.random });
    while (!this.#stopping.signal.aborted) {
      await this.#fetch('whole');
      const calm = (this.#streaming ? POLL_MS : POLL_WITHOUT_STREAM_MS) * (0.8 + this.#options.random() * 0.4);
      const isHealthy = this.#problem === undefined;
      if (isHealthy) waits.reset();
      await sleepUnless(this.#stopping.signal, isHealthy ? calm : Math.min(calm, waits.next()));
    }
  }

  async #streamLoop(): Promise<void> {
    const waits = backoff({ random: this.#options.random });
    while (!this.#stopping.signal.aborted) {
      const openedAt = performance.now();
      await this.#follow();
      this.#streaming = false;
      if (performance.now() - openedAt > HEALTHY_MS) waits.reset();
      await sleepUnless(this.#stopping.signal, waits.next());
    }
  }

  /** Follows the stream until it ends. Never rejects. */
  async #follow(): Promise<void> {
    const { content } = this.#state;
    const since = content && { epoch: content.epoch, revision: content.revision };
    try {
      for await (const { event, data } of this.#options.source.stream(since, this.#stopping.signal)) {
        this.#streaming = true;
        this.#onStreamEvent(event, data);
      }
    } catch {
      // The poll tells of a master that is away; a stream that ends by itself is no news.
    }
  }

  #onStreamEvent(event: string, data: string): void {
    const value = parseJson(data);
    if (event === 'ping') this.#onPing(value);
    if (event === 'change') this.#handle({ kind: 'change', change: value, source: 'stream' });
    if (event === 'full') this.#handle({ kind: 'bundle', bundle: value, source: 'stream' });
  }

  /** The master says at which revision it is: ours is confirmed, or something was missed. */
  #onPing(value: unknown): void {
    const { content } = this.#state;
    const says =
      typeof value === 'object' && value !== null && 'revision' in value && 'epoch' in value ? value : undefined;
    if (!content || !says) return;
    if (says.epoch === content.epoch && says.revision === content.revision) this.#confirm();
    else void this.#fetch('since');
  }
}

function sleepUnless(signal: AbortSignal, ms: number): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
