import { createHash } from 'node:crypto';
import type { BundleContent } from '@voiceoi/contracts';
import serialize from 'canonicalize';

/**
 * RFC 8785 text of a JSON value.
 * @throws TypeError when the value is not JSON (undefined, NaN, a cycle).
 */
export function canonicalJson(value: unknown): string {
  const text = serialize(value);
  if (text === undefined) throw new TypeError('not a JSON value');
  return text;
}

/** Lower-case hex SHA-256 of a value's RFC 8785 text. */
export function canonicalSha256(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** The `sha256` of a bundle: of the six covered fields, campaigns by id, scripts by id then version (contract.md, Sync API). */
export function bundleSha256(content: BundleContent): string {
  const { org_id, epoch, revision, settings } = content;
  const campaigns = [...content.campaigns].sort((a, b) => compareText(a.id, b.id));
  const scripts = [...content.scripts].sort((a, b) => compareText(a.id, b.id) || a.version - b.version);
  return canonicalSha256({ org_id, epoch, revision, settings, campaigns, scripts });
}

/** Order by UTF-16 code units, as RFC 8785 orders names: independent of locale. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
