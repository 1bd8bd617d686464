import type { BundleCampaign, BundleContent } from '@voiceoi/contracts';
import { describe, expect, test } from 'vitest';
import { bundleSha256, canonicalJson, canonicalSha256 } from './canonical.ts';

describe('RFC 8785 text', () => {
  test('orders names by UTF-16 code units and prints numbers as ECMAScript does', () => {
    expect(canonicalJson({ b: 1.0, a: [1e3, 1e21, 0.000001, -0], '\u20ac': '\u000f', A: null })).toBe(
      '{"A":null,"a":[1000,1e+21,0.000001,0],"b":1,"\u20ac":"\\u000f"}',
    );
  });

  test('refuses what is not JSON', () => {
    expect(() => canonicalJson(undefined)).toThrow(TypeError);
    expect(() => canonicalJson({ a: Number.NaN })).toThrow();
  });

  test('hashes to the known digest of the empty object', () => {
    expect(canonicalSha256({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
  });
});

describe('sha256 of a bundle', () => {
  const campaign = (id: string): BundleCampaign => ({
    id,
    name: id,
    status: 'active',
    script_id: 's',
    version: 1,
    variables: {},
    lead_variables: [],
    updated_at: '2026-11-24T00:00:00.000Z',
  });
  const script = (id: string, version: number) => ({ id, version, document: { n: version }, sha256: '0'.repeat(64) });
  const content: BundleContent = {
    org_id: 'abc',
    epoch: 'e1',
    revision: 3,
    settings: {},
    campaigns: [campaign('1'), campaign('2')],
    scripts: [script('a', 2), script('a', 10), script('b', 1)],
  };

  test('does not depend on the order of campaigns and scripts', () => {
    const shuffled = { ...content, campaigns: content.campaigns.toReversed(), scripts: content.scripts.toReversed() };
    expect(bundleSha256(shuffled)).toBe(bundleSha256(content));
  });

  test('covers epoch and revision, and nothing outside the six fields', () => {
    expect(bundleSha256({ ...content, revision: 4 })).not.toBe(bundleSha256(content));
    expect(bundleSha256({ ...content, epoch: 'e2' })).not.toBe(bundleSha256(content));
    expect(bundleSha256({ ...content, generated_at: 'now', secrets: [1] } as BundleContent)).toBe(
      bundleSha256(content),
    );
  });
});
