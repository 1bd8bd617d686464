import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { cidrMatcher, isPublicAddress, parseCidr } from '@voiceoi/kernel';

/** An address that a request may go to, or why there is none. */
export type GuardResult =
  | { readonly address: string; readonly family: 4 | 6 }
  | { readonly refused: string; readonly isForGood: boolean };

/** Finds all addresses of a name; rejects when there are none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

export const systemResolve: Resolve = async (name) =>
  (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);

/**
 * Finds the address of a host that a script wants to reach: a public one, or one that `allow` (CIDR blocks and host names) names. All addresses
 * are looked at, and one that is not allowed refuses the host: the request then goes to the very address that was checked. Never rejects.
 */
export async function guardHost(
  host: string,
  allow: readonly string[],
  resolve: Resolve = systemResolve,
): Promise<GuardResult> {
  const name = host.replace(/^\[|\]$/g, '');
  const addresses = isIP(name) ? [name] : await resolve(name).catch(() => []);
  const [address] = addresses;
  if (address === undefined) return { refused: `${host} cannot be resolved`, isForGood: false };
  if (!isAllowedName(name, allow) && !addresses.every(allowedAddresses(allow)))
    return { refused: `${host} is not a public address, and webhook_allow does not name it`, isForGood: true };
  return { address, family: isIP(address) === 6 ? 6 : 4 };
}

function isAllowedName(name: string, allow: readonly string[]): boolean {
  const plain = (text: string): string => text.toLowerCase().replace(/\.$/, '');
  return allow.some((entry) => plain(entry) === plain(name));
}

function allowedAddresses(allow: readonly string[]): (address: string) => boolean {
  const isListed = cidrMatcher(allow.filter((entry) => parseCidr(entry) !== undefined));
  return (address) => isPublicAddress(address) || isListed(address);
}
