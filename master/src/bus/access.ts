import { hkdfSync } from 'node:crypto';
import type { OrgKey } from '@voiceoi/kernel';
import { channelOf, headOf, historyOf } from './names.ts';

/** What an organization's nodes may do: listen to their channel, read their head and history, and be asked whether they are there. */
const COMMANDS = [
  'subscribe',
  'unsubscribe',
  'ping',
  'hello',
  'auth',
  'quit',
  'xrange',
  'hmget',
  'client|setname',
  // A client of a cluster has to find its servers.
  'cluster|slots',
  'cluster|shards',
  'cluster|nodes',
  'cluster|info',
];

/** Arguments of `ACL SETUSER` behind the user's name. A password for each good key: a key that is revoked takes its password with it. */
export function accessRules(orgId: string, passwords: readonly string[]): readonly string[] {
  return [
    'reset',
    passwords.length > 0 ? 'on' : 'off',
    ...passwords.map((password) => `>${password}`),
    `%R~${headOf(orgId)}`,
    `%R~${historyOf(orgId, '*')}`,
    `&${channelOf(orgId)}`,
    '-@all',
    ...COMMANDS.map((command) => `+${command}`),
  ];
}

/** The password that comes with a key. Derived, so that all masters agree without a place to keep it. */
export function passwordOf({ bytes, orgId, generation }: OrgKey): string {
  const derived = hkdfSync('sha256', bytes, 'voiceoi/redis-acl/v1', `${orgId}:${generation}`, 32);
  return Buffer.from(derived).toString('hex');
}
