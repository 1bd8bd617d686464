import { describe, expect, test } from 'vitest';
import { deriveOrgKey, type OrgKey, parseOrgKey, sameSecret, signChange, verifyChange } from './org-key.ts';

const SALT = 'an example salt of 32 characters';

function key(orgId = 'abc', generation = 1): OrgKey {
  const parsed = parseOrgKey(deriveOrgKey(SALT, orgId, generation));
  if (!parsed) throw new Error('a derived key has to parse');
  return parsed;
}

describe('organization keys', () => {
  test('are derived as the contract says (vector from an independent HKDF in Python)', () => {
    expect(deriveOrgKey(SALT, 'abc', 1)).toBe(
      'voi_abc_1_f8c0c3886946d59020d4e9e9c5687d0baa61d0c3c894b8e3542a290932f131ea',
    );
  });

  test('come apart into organization, generation and 32 bytes, also with dashes in the name', () => {
    const parsed = parseOrgKey(deriveOrgKey(SALT, 'my-org-7', 12));
    expect(parsed).toMatchObject({ orgId: 'my-org-7', generation: 12 });
    expect(parsed?.bytes).toHaveLength(32);
  });

  test.each([
    '',
    'voi_abc_1_',
    'voi_ABC_1_f8c0c3886946d59020d4e9e9c5687d0baa61d0c3c894b8e3542a290932f131ea',
    'voi_abc_0_f8c0c3886946d59020d4e9e9c5687d0baa61d0c3c894b8e3542a290932f131ea',
    ' voi_abc_1_f8c0c3886946d59020d4e9e9c5687d0baa61d0c3c894b8e3542a290932f131ea',
    'voi_abc_1_f8c0c3886946d59020d4e9e9c5687d0baa61d0c3c894b8e3542a290932f131ea\n',
  ])('refuse another form: %j', (text) => {
    expect(parseOrgKey(text)).toBeUndefined();
  });

  test('differ by organization, generation and salt', () => {
    const keys = [
      deriveOrgKey(SALT, 'abc', 1),
      deriveOrgKey(SALT, 'abd', 1),
      deriveOrgKey(SALT, 'abc', 2),
      deriveOrgKey(`${SALT}!`, 'abc', 1),
    ];
    expect(new Set(keys.map((text) => text.slice(-64))).size).toBe(4);
  });

  test('compare whole', () => {
    expect(sameSecret('abc', 'abc')).toBe(true);
    expect(sameSecret('abc', 'abcd')).toBe(false);
    expect(sameSecret('', 'x')).toBe(false);
  });
});

describe('signed changes', () => {
  const message = { v: 1, org_id: 'abc', from: 1, to: 2 };

  test('carry the HMAC of their RFC 8785 form (vector from Python)', () => {
    expect(signChange(key(), message)).toEqual({
      ...message,
      kid: '1',
      sig: 'd1624726d18018820535cc4ee7f832bdc0e9cc4aa3d97d84d20b7b20ced48673',
    });
  });

  test('verify whatever the order of names, and not after any alteration', () => {
    const signed = signChange(key(), message);
    const reordered: typeof signed = { sig: signed.sig, kid: signed.kid, to: 2, from: 1, org_id: 'abc', v: 1 };
    expect(verifyChange(key(), reordered)).toBe(true);
    expect(verifyChange(key(), { ...signed, to: 3 })).toBe(false);
    expect(verifyChange(key(), { ...signed, kid: '2' })).toBe(false);
    expect(
      verifyChange(key(), { ...signed, sig: signed.sig.replace(/.$/, (last) => (last === '0' ? '1' : '0')) }),
    ).toBe(false);
  });

  test('have room for node orders: what is signed as one cannot be turned into another', () => {
    const order = {
      v: 1,
      type: 'order',
      org_id: 'abc',
      node_id: 'n1',
      state: 'draining',
      issued_at: '2026-11-24T08:25:21.123Z',
    };
    const signed = signChange(key(), order);
    expect(verifyChange(key(), signed)).toBe(true);
    expect(verifyChange(key(), { ...signed, node_id: 'n2' })).toBe(false);
    expect(verifyChange(key(), { ...signed, state: 'active' })).toBe(false);
  });

  test('do not verify under another generation or organization', () => {
    const signed = signChange(key(), message);
    expect(verifyChange(key('abc', 2), signed)).toBe(false);
    expect(verifyChange(key('abd'), signed)).toBe(false);
  });
});
