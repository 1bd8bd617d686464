import Type, { type Static } from 'typebox';
import { Timestamp } from '../ids.ts';

/** Who did something: a person, an API token, a node with its organization's key, or the system by itself. */
export const AuditActor = Type.Object({
  kind: Type.Enum(['user', 'api_token', 'node', 'system', 'anonymous']),
  id: Type.String(),
  name: Type.String(),
});
export type AuditActor = Static<typeof AuditActor>;

/** One entry of an organization's audit log. */
export const AuditItem = Type.Object({
  id: Type.String(),
  at: Timestamp,
  actor: AuditActor,
  action: Type.String({ description: 'A thing and what became of it: `campaign.update`' }),
  target: Type.String({ description: '`campaign/123`' }),
  before: Type.Unknown({ description: 'As the API showed it, without secrets; fields over 16 KiB by their SHA-256' }),
  after: Type.Unknown({ description: 'Null where it is no more' }),
  request_id: Type.Union([Type.String(), Type.Null()]),
  address: Type.Union([Type.String(), Type.Null()]),
  hash: Type.String({ description: 'SHA-256 over the hash before and the RFC 8785 text of the entry' }),
});
export type AuditItem = Static<typeof AuditItem>;

export const AuditQuery = {
  action: Type.Optional(
    Type.String({ maxLength: 100, pattern: '^[a-z_.]+$', description: 'Such as `campaign.update`' }),
  ),
  actor: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 254,
      pattern: '^[^\\u0000]+$',
      description: 'Id or name of whoever did it',
    }),
  ),
};
