import Type, { type Static } from 'typebox';

/** Roles of a member of an organization, the least first: each may do all that the ones before it may. */
export const ROLES = ['viewer', 'editor', 'admin', 'owner'] as const;
export const Role = Type.Enum(['viewer', 'editor', 'admin', 'owner'], {
  description: 'viewer reads, editor writes scripts and campaigns, admin also settings, members and keys, owner all',
});
export type Role = Static<typeof Role>;

/** A member's role, or that of somebody who has every organization. */
export type Rank = Role | 'superadmin';

/** What can be done, and the least role that may do it: the one table behind the API, its OpenAPI document and the dashboard. */
export const PERMISSIONS = {
  'organization.read': 'viewer',
  'campaign.read': 'viewer',
  'script.read': 'viewer',
  'call.read': 'viewer',
  'agent.read': 'viewer',
  'node.read': 'viewer',
  'member.read': 'viewer',
  /** Which generations there are; the keys themselves are `key.show`. */
  'key.list': 'viewer',
  /** Names alone: whoever writes a script needs them, and nobody is ever shown a value. */
  'secret.list': 'viewer',
  'campaign.write': 'editor',
  'canary.write': 'editor',
  'script.write': 'editor',
  'script.publish': 'editor',
  /** Sending a call over the gateway: it runs a script, which may do whatever its editor may have it do. */
  'call.place': 'editor',
  'organization.write': 'admin',
  'member.write': 'admin',
  'key.show': 'admin',
  'key.write': 'admin',
  'secret.write': 'admin',
  'api_token.read': 'admin',
  'api_token.write': 'admin',
  'signed_url.create': 'admin',
  'node.drain': 'admin',
  'audit.read': 'admin',
  /** Making, changing and removing owners. */
  'owner.write': 'owner',
  'organization.delete': 'owner',
  'organization.create': 'superadmin',
} as const satisfies { readonly [action: string]: Rank };

/** Something that can be done. */
export type Action = keyof typeof PERMISSIONS;

const RANKS: readonly Rank[] = [...ROLES, 'superadmin'];

/** Whether somebody of that rank may do it. */
export function allows(rank: Rank, action: Action): boolean {
  return RANKS.indexOf(rank) >= RANKS.indexOf(PERMISSIONS[action]);
}

/** Whether somebody of that rank is at least what the role is. */
export function includesRole(rank: Rank, role: Role): boolean {
  return RANKS.indexOf(rank) >= RANKS.indexOf(role);
}

/** Whether a name is an action of the table. */
export function isAction(name: string): name is Action {
  return Object.hasOwn(PERMISSIONS, name);
}

/** The whole table for people: a line for each action, a column for each rank. */
export function permissionMatrix(): string {
  const names = Object.keys(PERMISSIONS).filter(isAction);
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const line = (name: string, cells: readonly string[]): string =>
    `${name.padEnd(width)}${cells.map((cell) => cell.padEnd(12)).join('')}`.trimEnd();
  const rows = names.map((name) =>
    line(
      name,
      RANKS.map((rank) => (allows(rank, name) ? 'yes' : '-')),
    ),
  );
  return [line('action', RANKS), ...rows].join('\n');
}
