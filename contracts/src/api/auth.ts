import Type, { type Static } from 'typebox';
import { OrgId } from '../ids.ts';
import { Role } from '../permissions.ts';

export const User = Type.Object({ id: Type.String(), email: Type.String(), superadmin: Type.Boolean() });
export type User = Static<typeof User>;
export const Membership = Type.Object({ org_id: OrgId, role: Role });
export type Membership = Static<typeof Membership>;
/** Who is signed in, and where they have which role. A superadmin has every organization beside these. */
export const Me = Type.Object({ ...User.properties, memberships: Type.Array(Membership) });
export type Me = Static<typeof Me>;

/** Characters of a password that somebody chooses; the commonest ones are refused too. */
export const PASSWORD_LENGTH = 12;
const NewPassword = Type.String({ minLength: PASSWORD_LENGTH, maxLength: 1024 });

export const LoginRequest = Type.Object(
  { email: Type.String({ minLength: 1, maxLength: 254 }), password: Type.String({ minLength: 1, maxLength: 1024 }) },
  { additionalProperties: false },
);
export const LoginAnswer = Type.Object({
  access_token: Type.String(),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'Seconds' }),
  user: User,
});
export type LoginAnswer = Static<typeof LoginAnswer>;
export const LogoutRequest = Type.Object(
  { everywhere: Type.Optional(Type.Boolean({ description: 'End every session of this user' })) },
  { additionalProperties: false },
);
export const PasswordRequest = Type.Object(
  {
    current_password: Type.String({ minLength: 1, maxLength: 1024 }),
    new_password: NewPassword,
  },
  { additionalProperties: false },
);
/** `password`: the one that a new user chooses, or the one that an existing user has. */
export const AcceptInvite = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 200 }), password: Type.String({ minLength: 1, maxLength: 1024 }) },
  { additionalProperties: false },
);
