import Type, { type Static } from 'typebox';

/** An organization's id, for example `abc`. */
export const OrgId = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]{0,31}$',
  description: 'Organization, for example `abc`',
});
/** A campaign's id, unique within its organization, for example `123`. */
export const CampaignId = Type.String({
  pattern: '^[A-Za-z0-9_-]{1,32}$',
  description: 'Campaign within its organization',
});
/** A script's id, unique within its organization. */
export const ScriptId = Type.String({
  pattern: '^[A-Za-z0-9_-]{1,32}$',
  description: 'Script within its organization',
});
/** A bot node's id; the host name unless set. */
export const NodeId = Type.String({
  pattern: '^[a-z0-9][a-z0-9.-]{0,62}$',
  description: 'Bot node, by default its host name',
});
/** UUIDv7 (RFC 9562), made by the node that answered the call. */
export const Uuid = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
  description: 'UUIDv7, lower case',
});
/** Immutable version of a script, from 1. */
export const Version = Type.Integer({ minimum: 1, maximum: 2147483647, description: 'Script version, from 1' });
/** Configuration revision of an organization: grows by one with every committed change. */
export const Revision = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Configuration revision',
});
/** Random id made with the database and renewed after a restore; revisions compare only within one epoch. */
export const Epoch = Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$', description: 'Epoch of the database' });
/** Lower-case hex SHA-256. */
export const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256, lower-case hex' });
/** RFC 3339, UTC, with milliseconds. */
export const Timestamp = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$',
  description: 'RFC 3339, UTC, with milliseconds',
  examples: ['2026-11-24T08:25:21.123Z'],
});

export type OrgId = Static<typeof OrgId>;
export type CampaignId = Static<typeof CampaignId>;
export type ScriptId = Static<typeof ScriptId>;
export type NodeId = Static<typeof NodeId>;
export type Timestamp = Static<typeof Timestamp>;
