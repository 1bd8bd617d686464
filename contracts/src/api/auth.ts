import Type, { type Static } from 'typebox';

export const User = Type.Object({ id: Type.String(), email: Type.String(), superadmin: Type.Boolean() });
export type User = Static<typeof User>;

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
    new_password: Type.String({ minLength: 12, maxLength: 1024 }),
  },
  { additionalProperties: false },
);
