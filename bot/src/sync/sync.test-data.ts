import type { BundleContent } from '@voiceoi/contracts';
import { canonicalSha256 } from '@voiceoi/kernel';

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
