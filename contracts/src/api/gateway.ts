import Type, { type Static } from 'typebox';
import { Sha256 } from '../ids.ts';

/** What a URL may be signed for. */
export const CreateSignedUrl = Type.Object(
  {
    method: Type.Enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']),
    path: Type.String({
      minLength: 1,
      maxLength: 512,
      description: 'Under /gateway/{org_id}/ or /webhook/{org_id}/ of the same organization, without query and escapes',
      examples: ['/gateway/abc/webhook/123'],
    }),
    expires_in: Type.Integer({ minimum: 1, maximum: 2_592_000, description: 'Seconds, at most 30 days' }),
    body_sha256: Type.Optional(Sha256),
  },
  { additionalProperties: false },
);
export type CreateSignedUrl = Static<typeof CreateSignedUrl>;

export const SignedUrl = Type.Object({ url: Type.String() });
