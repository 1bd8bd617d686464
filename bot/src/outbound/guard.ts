import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { cidrMatcher, isPublicAddress, parseCidr } from '@voiceoi/kernel';

/** An address that a request may go to, or why there is none. */
export type GuardResult = { readonly address: string; readonly family: 4 | 6 } | { readonly refused: string };

/**
 * Finds the address of a host that a script wants to reach: a public one, or one that `allow` (CIDR blocks and host names) names. All addresses
 * are looked at, and one that is not allowed refuses the host: the request then goes to the very address that was checked.
 */
export async function guardHost(host: string, allow: readonly string[]): Promise<GuardResult> {
  const name = host.replace(/^\[|\]$/g, '');
  const addresses = isIP(name) ? [name] : await resolve(name);
  if (addresses.length === 0) return { refused: `${host} cannot be resolved` };
  if (!isAllowedName(name, allow)) {
    const isListed = cidrMatcher(allow.filter((entry) => parseCidr(entry) !== undefined));
    if (!addresses.every((address) => isPublicAddress(address) || isListed(address))) {
      return { refused: `${host} is not a public address, and webhook_allow does not name it` };
    }
  }
  const [address = ''] = addresses;
  return { address, family: isIP(address) === 6 ? 6 : 4 };
}

function isAllowedName(name: string, allow: readonly string[]): boolean {
  return allow.some((entry) => entry.toLowerCase() === name.toLowerCase());
}

async function resolve(name: string): Promise<readonly string[]> {
  try {
    return (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}
