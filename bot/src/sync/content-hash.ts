import { createHash } from 'node:crypto';
import { canonicalJson } from '@voiceoi/kernel';
import { scriptKey, type WireContent } from './wire.ts';

/** Canonical texts by object: what a change leaves alone is the same object in the next revision, and is not written out again. */
const texts = new WeakMap<object, string>();

/**
 * RFC 8785 text of one object of a bundle.
 * @throws TypeError or RangeError for what cannot be written so (nesting without end)
 */
export function canonicalText(object: object): string {
  const known = texts.get(object);
  if (known !== undefined) return known;
  const text = canonicalJson(object);
  texts.set(object, text);
  return text;
}

/**
 * The `sha256` that a bundle of this content has (contract.md, Sync API): equal to the kernel's `bundleSha256`, but a change to an organization with a
 * thousand scripts costs what the change is, not what the organization is.
 */
export function contentSha256(content: WireContent): string {
  const campaigns = [...content.campaigns].sort((a, b) => compareText(a.id, b.id));
  const scripts = [...content.scripts].sort((a, b) => compareText(a.id, b.id) || a.version - b.version);
  const hash = createHash('sha256');
  const list = (objects: readonly object[]): void => {
    for (const [index, object] of objects.entries()) hash.update(`${index === 0 ? '' : ','}${canonicalText(object)}`);
  };
  hash.update('{"campaigns":[');
  list(campaigns);
  hash.update(`],"epoch":${canonicalJson(content.epoch)},"org_id":${canonicalJson(content.org_id)}`);
  hash.update(`,"revision":${canonicalJson(content.revision)},"scripts":[`);
  list(scripts);
  hash.update(`],"settings":${canonicalText(content.settings)}}`);
  return hash.digest('hex');
}

/** Order by UTF-16 code units, as RFC 8785 orders names. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Two contents that name a script version twice have no order that both sides agree on. */
export function hasDuplicates(content: WireContent): boolean {
  const campaigns = new Set(content.campaigns.map(({ id }) => id));
  const scripts = new Set(content.scripts.map(scriptKey));
  return campaigns.size < content.campaigns.length || scripts.size < content.scripts.length;
}
