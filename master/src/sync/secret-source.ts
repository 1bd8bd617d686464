import type { BundleSecret, ChangeItem } from '@voiceoi/contracts';
import type { Queryable } from '../database/index.ts';

/** That a secret is there, and how often it was set. */
export interface SecretVersion {
  readonly name: string;
  readonly version: number;
}

/** Where an organization's secrets come from, as far as the sync may see them. */
export interface SecretSource {
  /** By name. */
  versions(db: Queryable, orgId: string): Promise<readonly SecretVersion[]>;
  /** As nodes get them: sealed for each key that is good. By name. */
  entries(db: Queryable, orgId: string): Promise<BundleSecret[]>;
}

/** Secrets that were set and deleted between two moments. What was set names its version alone: the change log holds nothing that could be opened. */
export function diffSecrets(before: readonly SecretVersion[], after: readonly SecretVersion[]): readonly ChangeItem[] {
  const old = new Map(before.map(({ name, version }) => [name, version]));
  const now = new Set(after.map(({ name }) => name));
  const set = after
    .filter(({ name, version }) => old.get(name) !== version)
    .map(({ name, version }): ChangeItem => ({ op: 'put', kind: 'secret', id: name, object: { name, version } }));
  const gone = before.filter(({ name }) => !now.has(name));
  return [...set, ...gone.map(({ name }): ChangeItem => ({ op: 'delete', kind: 'secret', id: name }))];
}

/**
 * The items of changes as nodes get them. A secret goes as it is now, sealed for the keys that are good now, also in a change that is older: a node
 * that comes from further back would not be able to open what was sealed for keys of that time, and a value that was replaced is of no use to it.
 */
export async function withSealed<T extends { readonly changes: readonly ChangeItem[] }>(
  rows: readonly T[],
  db: Queryable,
  orgId: string,
  secrets: SecretSource,
): Promise<readonly T[]> {
  if (!rows.some(({ changes }) => changes.some(isSet))) return rows;
  const entries = new Map((await secrets.entries(db, orgId)).map((entry) => [entry.name, entry]));
  const sealed = (item: ChangeItem): ChangeItem => {
    if (!isSet(item)) return item;
    const entry = entries.get(item.id);
    return entry ? { ...item, object: { ...entry } } : { op: 'delete', kind: 'secret', id: item.id };
  };
  return rows.map((row) => ({ ...row, changes: row.changes.map(sealed) }));
}

function isSet({ op, kind }: ChangeItem): boolean {
  return op === 'put' && kind === 'secret';
}
