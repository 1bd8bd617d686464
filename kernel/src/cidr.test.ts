import { describe, expect, test } from 'vitest';
import { cidrMatcher, isPublicAddress, parseCidr } from './cidr.ts';

describe('CIDR blocks', () => {
  test.each(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', '::1', '0.0.0.0/0'])('%s is one', (text) => {
    expect(parseCidr(text)).toBeDefined();
  });

  test.each(['', '10.0.0.0/33', '10.0.0/8', '10.0.0.0/', '10.0.0.0/8/8', '::/129', 'localhost', '10.0.0.0/-1'])(
    '%j is none',
    (text) => {
      expect(parseCidr(text)).toBeUndefined();
    },
  );

  test('match IPv4 also when it is mapped into IPv6', () => {
    const matches = cidrMatcher(['10.0.0.0/8', '2001:db8::/32']);
    expect(['10.1.2.3', '::ffff:10.1.2.3', '::ffff:a01:203', '2001:db8::9'].map(matches)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['11.0.0.1', '2001:db9::1', 'not an address', ''].map(matches)).toEqual([false, false, false, false]);
  });

  test('refuse a block that is none', () => {
    expect(() => cidrMatcher(['10.0.0.0/99'])).toThrow('10.0.0.0/99');
  });
});

describe('public addresses', () => {
  test.each(['8.8.8.8', '1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8'])('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  test.each([
    ...[
      '127.0.0.1',
      '10.0.0.1',
      '172.16.0.1',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
      '255.255.255.255',
      '224.0.0.1',
      '198.18.0.1',
    ],
    ...[
      '::1',
      '::',
      'fe80::1',
      'fe80::1%eth0',
      'fd00::1',
      'ff02::1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::127.0.0.1',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      '::ffff:0:127.0.0.1',
      '0:0:0:0:0:ffff:7f00:1',
      '64:ff9b:1::a00:1',
      '2001:0:1::1',
      '100::1',
      'fec0::1',
      '4000::1',
    ],
    ...['', 'localhost', '0x7f.1', '127.1', '2130706433'],
  ])('%j is not', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});
