import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { cidrMatcher } from '@voiceoi/kernel';

/** Where a node says that it is, once it may be believed. */
export interface NodeAddress {
  readonly isTls: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Addresses at which no node is: link-local ones with the metadata services of clouds, those of clouds outside of it (Alibaba, Oracle, Azure,
 * AWS over IPv6), "this host", multicast, reserved, and IPv4 behind NAT64. Private ranges are where nodes are meant to be.
 */
const isNowhere = cidrMatcher([
  ...['0.0.0.0/8', '169.254.0.0/16', '100.100.100.200/32', '192.0.0.0/24', '168.63.129.16/32', '224.0.0.0/3'],
  ...['::/128', 'fe80::/10', 'fec0::/10', 'ff00::/8', 'fd00:ec2::/32', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16'],
]);
const isLoopback = cidrMatcher(['127.0.0.0/8', '::1/128']);

/**
 * Whether the master connects to an address that a node has reported. Whoever has an organization's key can report any: loopback is this
 * machine, so only a node that has reported from it may be there.
 */
export function mayConnect(address: string, isFromLoopback: boolean): boolean {
  return isIP(address) !== 0 && !isNowhere(address) && (isFromLoopback || !isLoopback(address));
}

/** `ADVERTISE_URL` of a node: `http://host:port` and nothing more. */
export function parseNodeUrl(text: string, isFromLoopback: boolean): NodeAddress | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) return undefined;
  if (url.pathname !== '/' || url.search || url.hash) return undefined;
  const isTls = url.protocol === 'https:';
  return addressOf(url.hostname, url.port === '' ? (isTls ? 443 : 80) : Number(url.port), isTls, isFromLoopback);
}

/** `ADVERTISE_AGI` of a node: `host:port`. */
export function parseNodeAgi(text: string, isFromLoopback: boolean): NodeAddress | undefined {
  const [, host = '', port = ''] = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text) ?? [];
  // As URLs understand it, so that 0x7f.1 is the address that it would be for the system.
  const url = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
  return host === '' || !url ? undefined : addressOf(url.hostname, Number(port), false, isFromLoopback);
}

function addressOf(hostname: string, port: number, isTls: boolean, isFromLoopback: boolean): NodeAddress | undefined {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  if (port < 1 || port > 65_535) return undefined;
  if (isIP(host) !== 0 && !mayConnect(host, isFromLoopback)) return undefined;
  return { host, port, isTls };
}

/** Resolves a node's name where the connection is made, and fails when one of its addresses is not allowed: a name can change its mind after it was checked. */
export function guardedLookup(isFromLoopback: boolean): LookupFunction {
  return (hostname: string, options: LookupOptions, callback) => {
    lookup(hostname, { ...options, all: true }, (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => {
      if (error) return callback(error, '');
      const [first] = addresses;
      const isGood = addresses.every(({ address }) => mayConnect(address, isFromLoopback));
      if (!first || !isGood) return callback(new AddressRefused(hostname), '');
      if (options.all) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}

/** A node's name leads to where no node may be. */
class AddressRefused extends Error {
  readonly code = 'ADDRESS_REFUSED';

  constructor(hostname: string) {
    super(`${hostname} is at an address where no node may be`);
  }
}
