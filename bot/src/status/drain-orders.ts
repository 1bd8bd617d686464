import { type DrainState, NodeOrder } from '@voiceoi/contracts';
import { type Logger, type OrgKey, verifyChange } from '@voiceoi/kernel';
import { Compile } from 'typebox/compile';
import type { KeyRing } from '../keys/index.ts';
import { type KeptOrders, readOrders, writeOrders } from './drain-file.ts';

/** What came of an order. `unknown_key`: signed by a generation that this node does not hold, as while a key is being rotated. */
export type OrderVerdict = 'applied' | 'not_newer' | 'not_for_us' | 'unknown_key' | 'forged';

interface DrainOptions {
  readonly nodeId: string;
  readonly keys: KeyRing;
  /** File that keeps what was ordered over a restart. */
  readonly path: string;
  readonly log: Logger;
}

/** Whether this node takes new calls, by organization, as the master has ordered. */
export interface DrainOrders {
  isDraining(orgId: string): boolean;
  /** There is an organization, and no new call of any is taken. */
  drainsAll(): boolean;
  /** An order as it came over the bus of an organization. */
  take(orgId: string, order: unknown): OrderVerdict;
  /** How many orders of an organization were applied so far. */
  applied(orgId: string): number;
  /** What the master has answered to a status that was sent when so many orders were applied: it wins, unless an order came after the question. */
  answered(orgId: string, state: DrainState, appliedThen: number): void;
  /** Resolves when everything is on the disk. */
  saved(): Promise<void>;
}

interface Ordered {
  state: DrainState;
  /** Of the newest order over the bus. */
  issuedAt: string | null;
  applied: number;
}

const order = Compile(NodeOrder);

/** Goes on with what was ordered before the restart, whether or not the master is there; `onChange` hears of each change that comes. */
export async function drainOrders(options: DrainOptions, onChange: () => void): Promise<DrainOrders> {
  const kept = await readOrders(options.path, options.nodeId);
  return new KeptDrainOrders(options, kept, onChange);
}

class KeptDrainOrders implements DrainOrders {
  readonly #options: DrainOptions;
  readonly #onChange: () => void;
  readonly #kept: KeptOrders;
  readonly #organizations = new Map<string, Ordered>();
  #saving: Promise<void> = Promise.resolve();
  #isSaved = true;

  constructor(options: DrainOptions, kept: KeptOrders, onChange: () => void) {
    this.#options = options;
    this.#onChange = onChange;
    this.#kept = kept;
    for (const orgId of options.keys.organizations()) this.#of(orgId);
  }

  /** What an organization was ordered; undefined for one that is not served. One that comes back goes on as it left. */
  #of(orgId: string): Ordered | undefined {
    if (!this.#options.keys.serves(orgId)) return undefined;
    const known = this.#organizations.get(orgId);
    if (known) return known;
    const { state = 'active', issued_at: issuedAt = null } = this.#kept[orgId] ?? {};
    const made: Ordered = { state, issuedAt, applied: 0 };
    this.#organizations.set(orgId, made);
    return made;
  }

  isDraining(orgId: string): boolean {
    return this.#of(orgId)?.state === 'draining';
  }

  drainsAll(): boolean {
    const all = this.#options.keys.organizations();
    return all.length > 0 && all.every((orgId) => this.isDraining(orgId));
  }

  applied(orgId: string): number {
    return this.#of(orgId)?.applied ?? 0;
  }

  take(orgId: string, value: unknown): OrderVerdict {
    const { nodeId, keys, log } = this.#options;
    const ordered = this.#of(orgId);
    if (!ordered || !order.Check(value) || value.org_id !== orgId || value.node_id !== nodeId) return 'not_for_us';
    // Written in one form, so texts compare like times.
    if (ordered.issuedAt !== null && value.issued_at <= ordered.issuedAt) return 'not_newer';
    const key = keys.of(orgId).ofGeneration(value.kid);
    if (!key) return 'unknown_key';
    if (!isSigned(key, value)) {
      log.warn({ org: orgId }, 'a node order is not signed by this organization’s key');
      return 'forged';
    }
    ordered.issuedAt = value.issued_at;
    ordered.applied++;
    this.#set(orgId, ordered, value.state);
    this.#save();
    return 'applied';
  }

  answered(orgId: string, state: DrainState, appliedThen: number): void {
    const ordered = this.#of(orgId);
    if (!ordered || ordered.state === state) return;
    // It is older than what was ordered meanwhile: the master is asked once more.
    if (ordered.applied !== appliedThen) return this.#onChange();
    this.#set(orgId, ordered, state);
    this.#save();
  }

  saved(): Promise<void> {
    return this.#saving;
  }

  #set(orgId: string, ordered: Ordered, state: DrainState): void {
    if (ordered.state === state) return;
    ordered.state = state;
    this.#options.log.info({ org: orgId, state }, state === 'draining' ? 'ordered to drain' : 'ordered to go on');
    this.#onChange();
  }

  /** Writes one after the other; what changes while one waits goes with it. */
  #save(): void {
    if (!this.#isSaved) return;
    this.#isSaved = false;
    this.#saving = this.#saving.then(async () => {
      this.#isSaved = true;
      const { path, nodeId, log } = this.#options;
      const all = [...this.#organizations].map(([orgId, { state, issuedAt }]) => [
        orgId,
        { state, issued_at: issuedAt },
      ]);
      await writeOrders(path, nodeId, Object.fromEntries(all)).catch((error: unknown) => {
        log.error({ err: error }, 'orders cannot be kept on disk: a restart without the master would forget them');
      });
    });
  }
}

/** What nests so deeply that it cannot be written out was not signed by anybody. */
function isSigned(key: OrgKey, value: NodeOrder): boolean {
  try {
    return verifyChange(key, value);
  } catch {
    return false;
  }
}
