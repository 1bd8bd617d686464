import { BlockList, isIP } from 'node:net';

/** A block of addresses. A plain address is a block of one. */
export interface Cidr {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Understands `10.0.0.0/8`, `2001:db8::/32` or a plain address; undefined for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', prefixText, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return undefined;
  const bits = version === 4 ? 32 : 128;
  const prefix = prefixText === undefined ? bits : /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : -1;
  if (prefix < 0 || prefix > bits) return undefined;
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/**
 * A test of addresses against blocks; an IPv4 address mapped into IPv6 counts as IPv4. Text that is no address matches nothing.
 * @throws TypeError for a block that is none
 */
export function cidrMatcher(cidrs: readonly string[]): (address: string) => boolean {
  const blocks = new BlockList();
  for (const text of cidrs) {
    const cidr = parseCidr(text);
    if (!cidr) throw new TypeError(`not a CIDR block: ${text}`);
    blocks.addSubnet(cidr.address, cidr.prefix, cidr.family);
  }
  return (address) => {
    const plain = unmapped(address);
    const version = isIP(plain);
    return version !== 0 && blocks.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  };
}

/**
 * Ranges that are not public: private, loopback, link-local, CGNAT, multicast, documentation, benchmarking, NAT64, 6to4, Teredo (IANA special-purpose
 * registries), and of IPv6 all that is not handed out as global unicast (2000::/3).
 */
const SPECIAL = {
  4: cidrMatcher([
    ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
    ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
    '224.0.0.0/3',
  ]),
  6: cidrMatcher(['::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']),
};

/** Whether an address is on the public Internet; text that is no address is not. */
export function isPublicAddress(address: string): boolean {
  // Each by its own list: to a list of both, every IPv4 address would be in `::/3`, as a mapped one.
  const version = isIP(unmapped(address));
  return (version === 4 || version === 6) && !SPECIAL[version](address);
}

/** `::ffff:127.0.0.1` and `::ffff:7f00:1` as `127.0.0.1`; a zone (`%eth0`) is dropped; other text as it is. */
function unmapped(address: string): string {
  const [plain = ''] = address.split('%');
  const dotted = /^(?:0*:){0,5}:?(?:0*:)?ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  if (dotted) return dotted;
  const hex = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(plain);
  if (!hex) return plain;
  const [high, low] = [Number.parseInt(hex[1] ?? '', 16), Number.parseInt(hex[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
