import Type, { type Static } from 'typebox';
import { OrgId, Timestamp, Uuid } from '../ids.ts';
import { Role } from '../permissions.ts';

export const MemberParams = Type.Object({
  org_id: OrgId,
  member_id: Type.String({ ...Uuid, description: 'A member’s user, or an invitation' }),
});

/** Somebody who is in an organization, or is invited to it; an invited one's `id` is the invitation's. */
export const Member = Type.Object({
  id: Type.String(),
  email: Type.String(),
  role: Role,
  status: Type.Enum(['active', 'invited']),
  created_at: Timestamp,
  expires_at: Type.Optional(Timestamp),
});
export type Member = Static<typeof Member>;

export const CreateMember = Type.Object(
  { email: Type.String({ pattern: '^[^\\s@]+@[^\\s@]+$', maxLength: 254 }), role: Role },
  { additionalProperties: false },
);
export const PatchMember = Type.Object({ role: Role }, { additionalProperties: false });

/** An invitation as it is answered once: whoever has the address can accept it. */
export const Invitation = Type.Object({
  id: Type.String(),
  email: Type.String(),
  role: Role,
  status: Type.Enum(['active', 'invited']),
  created_at: Timestamp,
  expires_at: Timestamp,
  invite_url: Type.String(),
});
export type Invitation = Static<typeof Invitation>;
