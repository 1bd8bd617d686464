import Type, { type Static } from 'typebox';
import { OrgId, Timestamp } from '../ids.ts';
import { Role } from '../permissions.ts';

/** Longest time for which the keys before a rotation go on working. */
const LONGEST_OVERLAP_SECONDS = 90 * 86_400;

/** Body of `POST …/keys/rotate`. */
export const RotateKey = Type.Object(
  {
    overlap_seconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: LONGEST_OVERLAP_SECONDS,
        description: 'How long the keys before go on working; 24 hours by default',
      }),
    ),
  },
  { additionalProperties: false },
);

/** Body of `POST …/api-tokens`. */
export const CreateApiToken = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 200 }),
    role: Role,
    expires_at: Type.Optional(Timestamp),
  },
  { additionalProperties: false },
);

/** A token for a machine, without the token. */
export const ApiToken = Type.Object({
  id: Type.String(),
  name: Type.String(),
  role: Role,
  created_at: Timestamp,
  created_by: Type.String(),
  expires_at: Type.Optional(Timestamp),
  last_used_at: Type.Optional(Timestamp),
});
export type ApiToken = Static<typeof ApiToken>;

/** As it is made: the one time that the token is shown. */
export const NewApiToken = Type.Object({ ...ApiToken.properties, token: Type.String() });

export const SecretName = Type.String({
  pattern: '^[A-Za-z_][A-Za-z0-9_]{0,63}$',
  description: 'Secret, used in scripts as `secret.<name>`',
});
export const SecretParams = Type.Object({ org_id: OrgId, name: SecretName });

/** Bytes of UTF-8 that a secret may have. */
export const LONGEST_SECRET = 8 * 1024;

/** Body of `PUT …/secrets/{name}`. */
export const PutSecret = Type.Object(
  { value: Type.String({ minLength: 1, maxLength: LONGEST_SECRET, writeOnly: true }) },
  { additionalProperties: false },
);

/** A secret as people see it: never its value. */
export const SecretItem = Type.Object({
  name: SecretName,
  version: Type.Integer({ minimum: 1, description: 'Grows with each PUT' }),
  updated_at: Timestamp,
  updated_by: Type.String(),
});
export type SecretItem = Static<typeof SecretItem>;
