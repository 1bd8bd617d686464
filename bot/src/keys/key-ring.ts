import { type OrgKey, parseOrgKey } from '@voiceoi/kernel';

/** A key as text, as the master takes it, and taken apart. */
export interface HeldKey {
  readonly text: string;
  readonly key: OrgKey;
}

/** One organization's keys as they are at any moment: whoever holds this sees each change. */
export interface OrgKeys {
  readonly orgId: string;
  /** The one in use first. Of an organization that is no longer served, those that it had last: its records are still to be sent. */
  held(): readonly HeldKey[];
  /** The one of this generation, which is the `kid` of what it signed. */
  ofGeneration(kid: string): OrgKey | undefined;
  /** The master has taken this one: from now on it is in use. */
  works(held: HeldKey): void;
}

/** What has changed in the ring. */
export interface KeyChange {
  /** Organizations that came. */
  readonly added: readonly string[];
  /** Organizations that are no longer served. */
  readonly removed: readonly string[];
  /** Organizations that have other keys than before. */
  readonly renewed: readonly string[];
}

/** The keys of a node: they say which organizations it serves. */
export interface KeyRing {
  organizations(): readonly string[];
  serves(orgId: string): boolean;
  of(orgId: string): OrgKeys;
  /** These are the keys from now on; of one organization, the first one is used first. Texts of another form are passed over. */
  replace(keys: readonly string[]): void;
  /** Told of each change, after it was made. */
  onChange(listener: (change: KeyChange) => void): void;
}

/** A ring that begins with these keys, as `replace` takes them. */
export function createKeyRing(keys: readonly string[]): KeyRing {
  const ring = new HeldKeys();
  ring.replace(keys);
  return ring;
}

class HeldKeys implements KeyRing {
  #served: ReadonlyMap<string, readonly HeldKey[]> = new Map();
  readonly #organizations = new Map<string, KeptKeys>();
  readonly #listeners: ((change: KeyChange) => void)[] = [];

  organizations(): readonly string[] {
    return [...this.#served.keys()];
  }

  serves(orgId: string): boolean {
    return this.#served.has(orgId);
  }

  of(orgId: string): KeptKeys {
    const known = this.#organizations.get(orgId) ?? new KeptKeys(orgId);
    this.#organizations.set(orgId, known);
    return known;
  }

  onChange(listener: (change: KeyChange) => void): void {
    this.#listeners.push(listener);
  }

  replace(keys: readonly string[]): void {
    const before = this.#served;
    const now = byOrganization(keys);
    const added = [...now.keys()].filter((orgId) => !before.has(orgId));
    const removed = [...before.keys()].filter((orgId) => !now.has(orgId));
    const renewed = [...now].flatMap(([orgId, held]) => {
      const old = before.get(orgId);
      return old && namesOf(old) !== namesOf(held) ? [orgId] : [];
    });
    this.#served = now;
    for (const orgId of [...added, ...renewed]) this.of(orgId).set(now.get(orgId) ?? []);
    if (added.length + removed.length + renewed.length === 0) return;
    for (const listener of this.#listeners) listener({ added, removed, renewed });
  }
}

class KeptKeys implements OrgKeys {
  readonly orgId: string;
  #held: readonly HeldKey[] = [];

  constructor(orgId: string) {
    this.orgId = orgId;
  }

  held(): readonly HeldKey[] {
    return this.#held;
  }

  ofGeneration(kid: string): OrgKey | undefined {
    return this.#held.find(({ key }) => String(key.generation) === kid)?.key;
  }

  works(held: HeldKey): void {
    // It may have been taken away while the master was asked.
    if (this.#held[0] === held || !this.#held.includes(held)) return;
    this.#held = [held, ...this.#held.filter((one) => one !== held)];
  }

  /** Keys that stay are the same objects: what was derived from them is remembered by them. */
  set(next: readonly HeldKey[]): void {
    const known = new Map(this.#held.map((held) => [held.text, held]));
    this.#held = next.map((held) => known.get(held.text) ?? held);
  }
}

function byOrganization(keys: readonly string[]): ReadonlyMap<string, readonly HeldKey[]> {
  const found = new Map<string, HeldKey[]>();
  for (const text of new Set(keys)) {
    const key = parseOrgKey(text);
    if (!key) continue;
    const held = found.get(key.orgId) ?? [];
    held.push({ text, key });
    found.set(key.orgId, held);
  }
  return found;
}

function namesOf(held: readonly HeldKey[]): string {
  return held.map(({ text }) => text).join();
}
