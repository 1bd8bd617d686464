import type { Bundle, BundleContent, Change, ChangeItem } from '@voiceoi/contracts';
import { bundleSha256, canonicalSha256, deriveOrgKey, type OrgKey, parseOrgKey, signChange } from '@voiceoi/kernel';

const KEY_TEXT = deriveOrgKey('a salt for tests, of 32 characters', 'abc', 1);

export function testKey(): OrgKey {
  const key = parseOrgKey(KEY_TEXT);
  if (!key) throw new Error('a derived key has to parse');
  return key;
}

/** A script that ends with the disposition that it is named by. */
export const testDocument = (disposition: string): { [name: string]: unknown } => ({
  schema: 'voiceoi/script/v1',
  entry: 'a',
  steps: { a: { type: 'return', disposition } },
});

export function testScript(id: string, version: number, document = testDocument(`V${version}`)) {
  return { id, version, document, sha256: canonicalSha256(document) };
}

export function testCampaign(id: string, version: number | null, changes: object = {}) {
  return {
    id,
    name: id,
    status: 'active' as const,
    script_id: 's',
    version,
    variables: {},
    lead_variables: [],
    updated_at: '2026-11-24T00:00:00.000Z',
    ...changes,
  };
}

export function testContent(revision: number, changes: Partial<BundleContent> = {}): BundleContent {
  return {
    org_id: 'abc',
    epoch: 'e1',
    revision,
    settings: {},
    campaigns: [testCampaign('1', 1)],
    scripts: [testScript('s', 1)],
    ...changes,
  };
}
