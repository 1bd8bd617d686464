import { createHash, hkdfSync } from 'node:crypto';
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

/**
 * The passwords that good keys give, the newest key's first. Derived, so that all masters agree without a place to keep them. Whoever asked with an
 * older key was told the newest one's password: so generations that are no longer good are part of it, and it ends with each of them.
 */
export function passwordsOf(keys: readonly OrgKey[]): readonly string[] {
  const good = new Set(keys.map(({ generation }) => generation));
  const ended = Array.from({ length: Math.max(0, ...good) }, (_, at) => at + 1).filter((one) => !good.has(one));
  return keys.map(({ bytes, orgId, generation }) => {
    const info = `${orgId}:${generation}:${ended.join(',')}`;
    return Buffer.from(hkdfSync('sha256', bytes, 'voiceoi/redis-acl/v1', info, 32)).toString('hex');
  });
}

/** How Redis shows a password of a user. */
export function shownPassword(password: string): string {
  return createHash('sha256').update(password).digest('hex');
}
