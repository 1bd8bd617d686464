import type { Change } from '@voiceoi/contracts';
import { type Logger, type OpenRedis, verifyChange } from '@voiceoi/kernel';
import type { OrgKeys } from '../keys/index.ts';
import { NO_SECRETS, type OpenedSecrets, openSecrets } from '../secrets/index.ts';
import type { BundleStore, StoredBundle } from './bundle-store.ts';
import type { ConfigSource, MasterAnswer } from './config-source.ts';
import { Fetcher } from './fetcher.ts';
import { Feeds, follow, type Rhythm } from './follow.ts';
import {
  type Applied,
  initialSyncState,
  type Source,
  type SyncAction,
  type SyncEvent,
  type SyncState,
  syncStep,
  type Verdict,
} from './machine.ts';
import { fallbacksOf, makePlayable, type PlayableOrg, playableFallbacks, type Rejection } from './playable.ts';
import { followRedis, type RedisFollower } from './redis-follower.ts';
import { isBundle, isRedisBus } from './wire.ts';

/** What keeps one organization's configuration current. */
export interface OrgSyncOptions {
  readonly keys: OrgKeys;
  readonly source: ConfigSource;
  readonly store: BundleStore;
  /** A bundle to begin with when nothing else is there. */
  readonly bootstrap: unknown;
  readonly log: Logger;
  readonly rhythm: Rhythm;
  /** How connections to the bus are opened. */
  readonly openRedis: OpenRedis;
  readonly onApply: (applied: PlayableOrg, source: Source, propagationSeconds: number | undefined) => void;
  /** A node order came, as it came. */
  readonly onOrder: (order: unknown) => void;
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
  /** What this node does not play as the master has it. */
  readonly rejected: readonly Rejection[];
}

/** A running sync. */
export interface OrgSync {
  readonly playable: () => PlayableOrg | undefined;
  /** Its secrets by name, opened. */
  readonly secrets: () => ReadonlyMap<string, string>;
  /** The organization has other keys: what is sealed for them is fetched, and the way into the bus that comes with them. */
  keysChanged(): void;
  readonly status: () => OrgSyncStatus;
  stop(): Promise<void>;
}

/** Starts from the disk, then the master, then the bootstrap bundle, and follows the master's stream; resolves once the disk was read. */
export async function startOrgSync(options: OrgSyncOptions): Promise<OrgSync> {
  const sync = new RunningSync(options);
  await sync.begin();
  return sync;
}

/** Carries out what the machine decides. Events are handled synchronously, so they take hold one after the other. */
class RunningSync implements OrgSync {
  readonly #options: OrgSyncOptions;
  readonly #stopping = new AbortController();
  readonly #fetcher: Fetcher;
  readonly #feeds = new Feeds();
  #redis: { readonly bus: string; readonly follower: RedisFollower } | undefined;
  #state: SyncState;
  #playable: PlayableOrg | undefined;
  #secrets: OpenedSecrets = NO_SECRETS;
  #source: Source | undefined;
  #confirmedAt: number | undefined;
  #problem: string | undefined;
  /** When each kind of report was logged last. */
  readonly #reportedAt = new Map<string, number>();
  #saving: Promise<void> = Promise.resolve();
  #loops: Promise<unknown> = Promise.resolve();

  constructor(options: OrgSyncOptions) {
    this.#options = options;
    this.#state = initialSyncState(options.keys.orgId);
    this.#fetcher = new Fetcher({
      source: options.source,
      signal: this.#stopping.signal,
      held: () => this.#state.applied,
      onAnswer: (answer) => this.#answered(answer),
      onFailure: (error) => this.#failed(error),
      calmMs: options.rhythm.calmMs,
    });
  }

  readonly playable = (): PlayableOrg | undefined => this.#playable;

  readonly secrets = (): ReadonlyMap<string, string> => this.#secrets.values;

  readonly status = (): OrgSyncStatus => ({
    orgId: this.#options.keys.orgId,
    epoch: this.#playable?.epoch,
    applied: this.#playable?.revision,
    ageSeconds:
      this.#confirmedAt === undefined ? Number.POSITIVE_INFINITY : (performance.now() - this.#confirmedAt) / 1000,
    source: this.#source,
    problem: this.#problem,
    rejected: this.#playable?.rejected ?? [],
  });

  async begin(): Promise<void> {
    const { keys, store, source, rhythm } = this.#options;
    for (const kept of await store.load(keys.orgId)) this.#handle({ kind: 'bundle', bundle: kept, source: 'disk' });
    this.#loops = follow({
      feeds: this.#feeds,
      source,
      rhythm,
      signal: this.#stopping.signal,
      position: () => this.#position(),
      look: (asked) => this.#fetcher.fetch(asked),
      isHealthy: () => this.#problem === undefined,
      onEvent: (event, value) => this.#onStreamEvent(event, value),
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await this.#fetcher.idle();
    await this.#saving;
  }

  #position(): { readonly epoch: string; readonly revision: number } | undefined {
    return this.#state.applied?.content;
  }

  /** Never throws: an event that cannot be handled must not end what brings the next one. */
  #handle(event: SyncEvent): void {
    try {
      const before = this.#state.applied?.secrets;
      const { state, actions } = syncStep(this.#state, event, (change) => this.#verify(change));
      this.#state = state;
      if (state.applied?.secrets !== before) this.#openSecrets(isFromMaster(event));
      for (const action of actions) this.#act(action, event);
      this.#followBus(state.applied?.bus);
    } catch (error) {
      this.#options.log.error({ err: error, org: this.#options.keys.orgId }, 'a configuration could not be handled');
    }
  }

  #verify(change: Change): Verdict {
    const key = this.#options.keys.ofGeneration(change.kid);
    if (!key) return 'unknown_key';
    return verifyChange(key, change) ? 'valid' : 'forged';
  }

  keysChanged(): void {
    this.#openSecrets(true);
    // Whole, although ours may be current: what changes with keys is outside of its hash.
    this.#fetcher.want('whole', false);
  }

  /** `isNewest`: there is nothing better to be asked for. */
  #openSecrets(isNewest: boolean): void {
    const { keys, log } = this.#options;
    const entries = this.#state.applied?.secrets ?? [];
    const { closed: before } = this.#secrets;
    this.#secrets = openSecrets(keys.orgId, entries, (kid) => keys.ofGeneration(kid), this.#secrets);
    const { closed } = this.#secrets;
    if (closed.length === 0) return;
    if (!isNewest) this.#fetcher.want('whole', true);
    else if (closed.join() !== before.join())
      log.warn({ org: keys.orgId, secrets: closed }, 'secrets cannot be opened with the keys of this node');
  }

  #act(action: SyncAction, event: SyncEvent): void {
    switch (action.kind) {
      case 'apply':
        return this.#apply(action, event);
      case 'confirm':
        return this.#confirm();
      case 'keep':
        return this.#playable && this.#save(action.applied, this.#playable);
      case 'fetch':
        return this.#fetcher.want(action.what, action.calm);
      case 'repair':
        return this.#redis?.follower.repair();
      case 'report':
        return this.#report(action.code, action.message);
      default:
        action satisfies never;
    }
  }

  #apply({ applied, source, committedAt }: Extract<SyncAction, { kind: 'apply' }>, event: SyncEvent): void {
    const before = this.#playable ?? playableFallbacks(fallbacksIn(event), applied.content.campaigns);
    this.#playable = makePlayable(applied.content, applied.sha256, before);
    this.#source = source;
    this.#problem = undefined;
    const isFromMaster = source !== 'disk' && source !== 'bootstrap';
    if (isFromMaster) {
      this.#confirm();
      this.#save(applied, this.#playable);
    }
    this.#options.onApply(this.#playable, source, committedAt === undefined ? undefined : this.#lag(committedAt));
  }

  #lag(committedAt: string): number {
    const masterNow = Date.now() + this.#options.source.clockSkewMs();
    return Math.max(0, (masterNow - Date.parse(committedAt)) / 1000);
  }

  #confirm(): void {
    this.#confirmedAt = performance.now();
    this.#problem = undefined;
  }

  #report(code: string, message: string): void {
    // Anyone may write to a bus: they must not fill the log as fast as they write.
    const sinceLast = performance.now() - (this.#reportedAt.get(code) ?? Number.NEGATIVE_INFINITY);
    const isNews = this.#problem !== message && sinceLast >= this.#options.rhythm.calmMs;
    this.#problem = message;
    if (isNews) this.#reportedAt.set(code, performance.now());
    if (isNews) this.#options.log.warn({ org: this.#options.keys.orgId, code }, message);
  }

  /** Writes one after the other; only the newest of those that wait is worth writing. */
  #save({ content, sha256, secrets, bus }: Applied, playable: PlayableOrg): void {
    this.#saving = this.#saving.then(async () => {
      if (this.#state.applied?.content !== content || this.#state.applied.secrets !== secrets) return;
      const fallbacks = fallbacksOf(playable, content);
      const bundle: StoredBundle = { schema: 1, ...content, sha256, secrets, bus, fallbacks };
      await this.#options.store.save(content.org_id, bundle).catch((error: unknown) => {
        this.#options.log.error(
          { err: error, org: content.org_id },
          'the configuration cannot be kept on disk: a restart would begin with an older one',
        );
      });
    });
  }

  #answered(answer: MasterAnswer): void {
    if (answer.kind === 'current') return this.#handle({ kind: 'current', source: 'poll' });
    if (answer.kind === 'bundle') return this.#handle({ kind: 'bundle', bundle: answer.bundle, source: 'poll' });
    for (const change of answer.changes) this.#handle({ kind: 'change', change, source: 'poll' });
  }

  #failed(message: string): void {
    const { log, keys, bootstrap } = this.#options;
    const playing = this.#playable?.revision ?? null;
    if (this.#problem !== message) log.warn({ org: keys.orgId, playing }, `${message}: going on with what is there`);
    if (!this.#state.applied && bootstrap !== undefined)
      this.#handle({ kind: 'bundle', bundle: bootstrap, source: 'bootstrap' });
    this.#problem = message;
  }

  /** Follows the bus that the bundle names now. */
  #followBus(bus: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const wanted = isRedisBus(bus) ? JSON.stringify(bus) : undefined;
    if (wanted === this.#redis?.bus) return;
    this.#redis?.follower.close();
    this.#redis = undefined;
    this.#feeds.setRedis(isRedisBus(bus) ? false : undefined);
    if (wanted === undefined || !isRedisBus(bus)) return;
    const { keys, openRedis, rhythm, log } = this.#options;
    const follower = followRedis({
      bus,
      orgId: keys.orgId,
      open: openRedis,
      position: () => this.#position(),
      lookMs: rhythm.lookMs,
      signal: this.#stopping.signal,
      events: {
        change: (change, isRepair) => this.#handle({ kind: 'change', change, source: 'redis', isRepair }),
        order: (order) => this.#onStreamEvent('order', order),
        up: (isUp) => {
          this.#feeds.setRedis(isUp);
          log.info(
            { org: keys.orgId },
            isUp ? 'changes come from Redis' : 'Redis is away: changes come from the master',
          );
        },
        missing: () => this.#fetcher.want('since', true),
        // A bundle is asked for anew although ours may be current: what is outside of its hash may have changed.
        refused: () => this.#fetcher.want('whole', true),
      },
    });
    this.#redis = { bus: wanted, follower };
  }

  #onStreamEvent(event: string, value: unknown): void {
    if (event === 'ping') this.#onPing(value);
    if (event === 'change') this.#handle({ kind: 'change', change: value, source: 'stream' });
    if (event === 'order') this.#options.onOrder(value);
    if (event === 'full') this.#handle({ kind: 'bundle', bundle: value, source: 'stream' });
  }

  /** The master says at which revision it is: ours is confirmed, or something was missed. */
  #onPing(value: unknown): void {
    const { epoch, revision } = isPosition(value) ? value : {};
    const ours = this.#position();
    if (!ours || epoch === undefined) return;
    if (epoch === ours.epoch && revision === ours.revision) this.#confirm();
    else this.#fetcher.want('since', true);
  }
}

function isPosition(value: unknown): value is { readonly epoch: unknown; readonly revision: unknown } {
  return typeof value === 'object' && value !== null && 'epoch' in value && 'revision' in value;
}

/** A whole bundle that the master has just made: nothing newer can be asked for. */
function isFromMaster(event: SyncEvent): boolean {
  return event.kind === 'bundle' && (event.source === 'poll' || event.source === 'stream');
}

/** What the disk kept beside a bundle; nothing from other sources. */
function fallbacksIn(event: SyncEvent): unknown {
  const isKept = event.kind === 'bundle' && event.source === 'disk' && isBundle(event.bundle);
  return isKept && 'fallbacks' in event.bundle ? event.bundle.fallbacks : undefined;
}
