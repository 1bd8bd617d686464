import { canonicalSha256 } from '@voiceoi/kernel';
import { describe, expect, test } from 'vitest';
import { auditable, SECRET_FIELDS } from './redact.ts';

const KEY = `voi_abc_1_${'0'.repeat(64)}`;

describe('what the audit log keeps of a thing', () => {
  test.each(SECRET_FIELDS)('has no value of a field "%s", at whatever depth and with whatever before it', (name) => {
    const thing = { [name]: 'hidden', list: [{ deep: { [`some_${name.toUpperCase()}`]: { any: 'hidden' } } }] };
    expect(JSON.stringify(auditable(thing))).not.toContain('hidden');
  });

  test('has no organization key in any text', () => {
    expect(auditable({ note: `use ${KEY} here`, list: [KEY] })).toEqual({
      note: 'use [redacted] here',
      list: ['[redacted]'],
    });
  });

  test('has everything else as it was', () => {
    const thing = { id: 'c', version: 3, canary: null, variables: { keyword: 'x', tokens: 1 } };
    expect(auditable(thing)).toEqual(thing);
    expect(auditable(undefined)).toBeNull();
  });

  test('has a field over 16 KiB by its hash alone, which is that of the version of a script', () => {
    const document = { text: 'é'.repeat(10_000) };
    expect(auditable({ id: 's', document })).toEqual({
      id: 's',
      document: { sha256: canonicalSha256(document), bytes: Buffer.byteLength(JSON.stringify(document)) },
    });
    const small = { text: 'x'.repeat(16_000) };
    expect(auditable({ document: small })).toEqual({ document: small });
  });
});
