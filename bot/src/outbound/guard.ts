import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { cidrMatcher, isPublicAddress, parseCidr } from '@voiceoi/kernel';

/** Addresses that a request may go to, each of which was checked, or why there are none. */
export type GuardResult =
  | { readonly addresses: readonly string[] }
  | { readonly refused: string; readonly isForGood: boolean };

/** Finds all addresses of a name; rejects when there are none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

export const systemResolve: Resolve = async (name) =>
  (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);

/**
 * What no list lets through: whole networks of one link, and where clouds keep the credentials of a machine. A host name that `webhook_allow` names
 * must not become a way there for whoever answers for the name.
 */
const isNeverReached = cidrMatcher([
  ...['0.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255', '::', 'fe80::/10', 'ff00::/8'],
  // Azure, Alibaba, Oracle, AWS, Google.
  ...['168.63.129.16', '100.100.100.200', '192.0.0.192', 'fd00:ec2::/32', 'fd20:ce::/32'],
]);

/**
 * Finds the addresses of a host that a script wants to reach: public ones, or ones that `allow` (CIDR blocks and host names) names. All addresses
 * are looked at, and one that is not allowed refuses the host: the request then goes to one of the very addresses that were checked. Never rejects.
 */
export async function guardHost(
  host: string,
  allow: readonly string[],
  resolve: Resolve = systemResolve,
): Promise<GuardResult> {
  const name = host.replace(/^\[|\]$/g, '');
  const addresses = isIP(name) ? [name] : await resolve(name).catch(() => []);
  if (addresses.length === 0) return { refused: 'cannot be resolved', isForGood: false };
  if (!isAllowedName(name, allow) && !addresses.every(allowedAddresses(allow)))
    return { refused: 'is not a public address, and webhook_allow does not name it', isForGood: true };
  if (addresses.some(isNeverReached))
    return { refused: 'is an address that no request goes to, whatever webhook_allow names', isForGood: true };
  return { addresses };
}

function isAllowedName(name: string, allow: readonly string[]): boolean {
  const plain = (text: string): string => text.toLowerCase().replace(/\.$/, '');
  return allow.some((entry) => plain(entry) === plain(name));
}

function allowedAddresses(allow: readonly string[]): (address: string) => boolean {
  const isListed = cidrMatcher(allow.filter((entry) => parseCidr(entry) !== undefined));
  return (address) => (isPublicAddress(address) && !isNeverReached(address)) || isListed(address);
}
