import type { ChangeItem, DrainState } from '@voiceoi/contracts';
import { bundleSha256, canonicalSha256, deriveOrgKey, type OrgKey, parseOrgKey, signChange } from '@voiceoi/kernel';
import { createKeyRing, type KeyRing } from '../../bot/src/keys/index.ts';

/** For tests: a master's side of the protocol, made of the kernel's own hash and signature. */
const SALT = 'a salt for tests that is long enough';
export const AT = '2026-11-24T08:25:21.123Z';

export function keyOf(orgId: string, generation = 1): { readonly text: string; readonly key: OrgKey } {
  const text = deriveOrgKey(SALT, orgId, generation);
  const key = parseOrgKey(text);
  if (!key) throw new Error('a derived key is a key');
  return { text, key };
}

/** A node's ring with the first key of each organization. */
export function ringOf(...orgs: readonly string[]): KeyRing {
  return createKeyRing(orgs.map((org) => keyOf(org).text));
}

export function scriptEntry(id: string, version: number, document: object = playing(`hello-${version}`)) {
  return { id, version, document: { ...document }, sha256: canonicalSha256(document) };
}

/** A script that answers, plays one sound, and ends with a disposition. */
export function playing(sound: string): object {
  return {
    schema: 'voiceoi/script/v1',
    entry: 'a',
    steps: {
      a: { type: 'answer', next: 'b' },
      b: { type: 'play', prompts: [sound], next: 'c' },
      c: { type: 'return', disposition: 'OK' },
    },
  };
}

export function campaignEntry(id: string, scriptId: string, version: number | null, rest: object = {}) {
  const status = 'active' as const;
  const common = { id, name: id, status, script_id: scriptId, version, variables: {}, lead_variables: [] };
  return { ...common, updated_at: AT, ...rest };
}

export type Content = Parameters<typeof bundleSha256>[0];

export function contentOf(revision: number, rest: Partial<Content> = {}): Content {
  return { org_id: 'abc', epoch: 'e1', revision, settings: {}, campaigns: [], scripts: [], ...rest };
}

export function bundleOf(content: Content, rest: object = {}) {
  const beside = { generated_at: AT, secrets: [], bus: { kind: 'stream' } };
  return { schema: 1 as const, ...content, sha256: bundleSha256(content), ...beside, ...rest };
}

/** A signed change that leads from one content to another, which holds `items`. */
export function changeTo(
  from: Content,
  to: Content,
  items: readonly ChangeItem[],
  key = keyOf(to.org_id).key,
  committedAt = AT,
) {
  return signChange(key, {
    v: 1 as const,
    epoch: to.epoch,
    org_id: to.org_id,
    from: from.revision,
    to: to.revision,
    committed_at: committedAt,
    changes: [...items],
    sha256: bundleSha256(to),
  });
}

/** A signed node order, issued so many seconds after `AT`. */
export function orderTo(nodeId: string, state: DrainState, seconds: number, key = keyOf('abc').key) {
  const issued_at = new Date(Date.parse(AT) + seconds * 1000).toISOString();
  return signChange(key, {
    v: 1 as const,
    type: 'order' as const,
    org_id: key.orgId,
    node_id: nodeId,
    state,
    issued_at,
  });
}
