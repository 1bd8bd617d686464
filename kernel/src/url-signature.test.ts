import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { deriveOrgKey, type OrgKey, parseOrgKey } from './org-key.ts';
import { hasUrlSignature, signUrl, verifyUrl, withoutUrlSignature } from './url-signature.ts';

function keyOf(orgId: string, generation: number): OrgKey {
  const key = parseOrgKey(deriveOrgKey('a salt for tests that is long enough', orgId, generation));
  if (!key) throw new Error('no key');
  return key;
}

const key = keyOf('abc', 1);
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const request = { method: 'POST', path: '/gateway/abc/webhook/123' };
const EXP = 1_800_000_000;
const BEFORE = (EXP - 10) * 1000;
const any = signUrl(key, { ...request, exp: EXP });
const bound = signUrl(key, { ...request, exp: EXP, bodySha256: sha256('body') });
const good = (query: string, change: object = {}, nowMs = BEFORE, keys = [key]): boolean =>
  verifyUrl(keys, query, { ...request, bodySha256: sha256('body'), ...change }, nowMs);

describe('a signed URL', () => {
  test('is signed as the contract says, which others may do too', () => {
    const derived = Buffer.from(hkdfSync('sha256', key.bytes, 'voiceoi/url-sig/v1', 'abc:1', 32));
    const sig = (body: string): string =>
      createHmac('sha256', derived).update(`POST\n/gateway/abc/webhook/123\n${EXP}\n${body}`).digest('hex');
    expect(any).toBe(`exp=${EXP}&kid=1&sig=${sig('')}`);
    expect(bound).toBe(`exp=${EXP}&kid=1&sig=${sig(sha256('body'))}`);
  });

  test('allows its method and path alone, and with a hash its body alone', () => {
    expect([good(any), good(any, { bodySha256: sha256('another') })]).toEqual([true, true]);
    expect([good(bound), good(bound, { bodySha256: sha256('another') })]).toEqual([true, false]);
    expect(good(any, { method: 'PUT' })).toBe(false);
    expect(good(any, { path: '/gateway/abc/webhook/124' })).toBe(false);
    expect(good(any, { path: '/gateway/abc/webhook/%3123' })).toBe(false);
  });

  test('is good until the second that it names', () => {
    expect([good(any, {}, EXP * 1000 - 1), good(any, {}, EXP * 1000)]).toEqual([true, false]);
    expect(good(any.replace(`exp=${EXP}`, `exp=${EXP + 1}`))).toBe(false);
  });

  test('needs the very key that signed it among the good ones', () => {
    expect(good(any, {}, BEFORE, [keyOf('abc', 2), key])).toBe(true);
    expect(good(any, {}, BEFORE, [keyOf('abc', 2)])).toBe(false);
    expect(good(any, {}, BEFORE, [keyOf('other', 1)])).toBe(false);
    expect(good(any, {}, BEFORE, [])).toBe(false);
  });

  test.each([
    ['', 'no query'],
    [any.replace(/&kid=1/, ''), 'no kid'],
    [`${any}&sig=${'0'.repeat(64)}`, 'two signatures'],
    [any.replace('exp=', 'exp=0'), 'another form of the number'],
    [any.replace('exp=', 'exp=%20'), 'a space'],
    [any.replace(/sig=.*/, (sig) => sig.toUpperCase()), 'capitals'],
    [any.slice(0, -2), 'a shorter signature'],
    [any.replace(/sig=.*/, `sig=${'0'.repeat(64)}`), 'another signature'],
  ])('is refused as %s: %s', (query) => expect(good(query)).toBe(false));

  test('may carry a query of its own, which goes on without the signature', () => {
    expect(good(`dialect=twiml&${any}`)).toBe(true);
    expect(withoutUrlSignature(`dialect=twiml&${any}&a=%20b&si%67=1&flag`)).toBe('dialect=twiml&a=%20b&flag');
    expect([
      hasUrlSignature(any),
      hasUrlSignature('a=1&sig'),
      hasUrlSignature('signature=1'),
      hasUrlSignature(''),
    ]).toEqual([true, true, false, false]);
  });
});
