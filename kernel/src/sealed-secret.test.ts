import { createDecipheriv, hkdfSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { deriveOrgKey, type OrgKey, parseOrgKey } from './org-key.ts';
import { openSecret, sealSecret } from './sealed-secret.ts';

const identity = { orgId: 'abc', name: 'crm_token', version: 3 };
const value = 'päss"word\n☎';

function key(orgId = 'abc', generation = 2): OrgKey {
  const parsed = parseOrgKey(deriveOrgKey('a salt for tests that is long enough', orgId, generation));
  if (!parsed) throw new Error('a derived key is a key');
  return parsed;
}

describe('a sealed secret', () => {
  test('is what the contract says: base64url of nonce, ciphertext and tag under its own key, bound to its name and version', () => {
    const sealed = sealSecret(key(), identity, value);
    expect(sealed).toMatch(/^[A-Za-z0-9_-]+$/);
    const bytes = Buffer.from(sealed, 'base64url');
    const derived = Buffer.from(hkdfSync('sha256', key().bytes, 'voiceoi/secret/v1', 'abc:2', 32));
    const decipher = createDecipheriv('aes-256-gcm', derived, bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from('abc/crm_token/3'));
    decipher.setAuthTag(bytes.subarray(-16));
    expect(decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8')).toBe(value);
  });

  test('opens (vector from Python, cryptography 48)', () => {
    const vector = 'AAECAwQFBgcICQoLiquZuWiX7ROU2lM_C-L8s4ZU8TKR728DiXLUUtQD';
    expect(openSecret(key(), identity, vector)).toBe(value);
  });

  test('is never the same text twice', () => {
    expect(sealSecret(key(), identity, value)).not.toBe(sealSecret(key(), identity, value));
  });

  test('opens with its own key, name and version alone', () => {
    const sealed = sealSecret(key(), identity, value);
    expect(openSecret(key(), identity, sealed)).toBe(value);
    expect(openSecret(key('abc', 3), identity, sealed)).toBeUndefined();
    expect(openSecret(key('abd'), identity, sealed)).toBeUndefined();
    expect(openSecret(key(), { ...identity, orgId: 'abd' }, sealed)).toBeUndefined();
    expect(openSecret(key(), { ...identity, name: 'crm' }, sealed)).toBeUndefined();
    expect(openSecret(key(), { ...identity, version: 4 }, sealed)).toBeUndefined();
  });

  test('does not open after any alteration, and rubbish is no secret', () => {
    const sealed = sealSecret(key(), identity, value);
    const bytes = Buffer.from(sealed, 'base64url');
    for (const at of bytes.keys()) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(openSecret(key(), identity, altered.toString('base64url'))).toBeUndefined();
    }
    for (const rubbish of ['', 'x', sealed.slice(0, 30), sealed.slice(4), `${sealed}AAAA`])
      expect(openSecret(key(), identity, rubbish)).toBeUndefined();
  });
});
