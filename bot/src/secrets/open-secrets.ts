import { BundleSecret } from '@voiceoi/contracts';
import { type OrgKey, openSecret } from '@voiceoi/kernel';
import { Compile } from 'typebox/compile';

/** The secrets of an organization, opened: in memory alone. */
export interface OpenedSecrets {
  /** By name, as scripts use them. */
  readonly values: ReadonlyMap<string, string>;
  /** Which version each value is of. */
  readonly versions: ReadonlyMap<string, number>;
  /** Names of those that none of our keys opens. */
  readonly closed: readonly string[];
}

export const NO_SECRETS: OpenedSecrets = { values: new Map(), versions: new Map(), closed: [] };

const entry = Compile(BundleSecret);

/**
 * Opens what a bundle holds with any of the keys. One that cannot be opened keeps the value of `before`, if that is of the same version: while a key
 * is being changed, what was sealed for the new one may not be here yet.
 */
export function openSecrets(
  orgId: string,
  entries: readonly { readonly name: string }[],
  keyOf: (generation: string) => OrgKey | undefined,
  before: OpenedSecrets,
): OpenedSecrets {
  const values = new Map<string, string>();
  const versions = new Map<string, number>();
  const closed: string[] = [];
  for (const candidate of entries) {
    if (!entry.Check(candidate)) {
      closed.push(candidate.name);
      continue;
    }
    const { name, version } = candidate;
    const opened = openEntry(orgId, candidate, keyOf);
    if (opened === undefined) closed.push(name);
    const value = opened ?? (before.versions.get(name) === version ? before.values.get(name) : undefined);
    if (value === undefined) continue;
    values.set(name, value);
    versions.set(name, version);
  }
  return { values, versions, closed };
}

function openEntry(
  orgId: string,
  { name, version, sealed }: BundleSecret,
  keyOf: (generation: string) => OrgKey | undefined,
): string | undefined {
  for (const [generation, text] of Object.entries(sealed)) {
    const key = keyOf(generation);
    const value = key && openSecret(key, { orgId, name, version }, text);
    if (value !== undefined) return value;
  }
  return undefined;
}
