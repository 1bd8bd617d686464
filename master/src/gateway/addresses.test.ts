import { describe, expect, test } from 'vitest';
import { guardedLookup, mayConnect, parseNodeAgi, parseNodeUrl } from './addresses.ts';

describe('an address that a node reports', () => {
  test.each(['10.0.0.7', '192.168.1.2', '172.16.0.9', '100.64.0.1', '203.0.113.7', 'fd12::7', '2001:db8::7'])(
    'may be private or public: %s',
    (address) => expect(mayConnect(address, false)).toBe(true),
  );

  test.each([
    ...['169.254.169.254', '169.254.0.1', 'fe80::1', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', 'fd00:ec2::254'],
    ...['100.100.100.200', '168.63.129.16', '0.0.0.0', '::', '224.0.0.1', '255.255.255.255', '64:ff9b::a9fe:a9fe'],
    ...['2002:a9fe:a9fe::1', 'ff02::1', 'node.example', ''],
  ])('is never where no node can be: "%s"', (address) =>
    expect([mayConnect(address, false), mayConnect(address, true)]).toEqual([false, false]),
  );

  test.each(['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1'])(
    'is on this machine only when the report came from there: %s',
    (address) => expect([mayConnect(address, false), mayConnect(address, true)]).toEqual([false, true]),
  );

  test.each([
    ['http://10.0.0.7:4580', { host: '10.0.0.7', port: 4580, isTls: false }],
    ['https://node.example', { host: 'node.example', port: 443, isTls: true }],
    ['http://[fd12::7]:4580/', { host: 'fd12::7', port: 4580, isTls: false }],
  ])('is taken from ADVERTISE_URL: %s', (text, address) => expect(parseNodeUrl(text, false)).toEqual(address));

  test.each([
    ...[
      'ftp://10.0.0.7',
      'file:///etc/passwd',
      'http://user:pw@10.0.0.7',
      'http://10.0.0.7/path',
      'http://10.0.0.7/?a',
    ],
    ...['http://169.254.169.254', 'http://0xa9fea9fe', 'http://2852039166', 'http://[::ffff:169.254.169.254]:80', ''],
    ...['http://127.0.0.1:4000', 'http://0x7f.1', 'http://10.0.0.7:0', '10.0.0.7:4580'],
  ])('is not taken from "%s"', (text) => expect(parseNodeUrl(text, false)).toBeUndefined());

  test('is taken from ADVERTISE_AGI, or not', () => {
    expect(parseNodeAgi('10.0.0.7:4573', false)).toEqual({ host: '10.0.0.7', port: 4573, isTls: false });
    expect(parseNodeAgi('[fd12::7]:4573', false)).toEqual({ host: 'fd12::7', port: 4573, isTls: false });
    expect(parseNodeAgi('127.0.0.1:4573', true)).toMatchObject({ port: 4573 });
    const wrong = ['127.0.0.1:1', '0x7f.1:1', '[fe80::1]:1', '169.254.1.1:1', 'a:0', 'a:70000', 'a', 'a b:1', 'a/b:1'];
    expect(wrong.map((text) => parseNodeAgi(text, false))).toEqual(wrong.map(() => undefined));
  });

  test('is looked at again when a name is resolved', async () => {
    const resolve = (isFromLoopback: boolean): Promise<string> =>
      new Promise((done) => {
        guardedLookup(isFromLoopback)('localhost', {}, (error, address) => done(error?.code ?? String(address)));
      });
    expect(await resolve(false)).toBe('ADDRESS_REFUSED');
    expect(await resolve(true)).toMatch(/^(127\.0\.0\.1|::1)$/);
  });
});
