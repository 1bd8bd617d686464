import { createSecretKey } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';

/** Seconds; the contract allows 15 minutes at most. */
export const ACCESS_SECONDS = 900;

const ISSUER = 'voiceoi';
const AUDIENCE = 'voiceoi-api';
const TYPE = 'at+jwt';
const ALGORITHM = 'HS256';

/** Makes and checks the dashboard's access tokens. */
export interface AccessTokens {
  issue(userId: string): Promise<string>;
  /** The user that a token names; undefined for one that is expired, altered, or of another kind. */
  verify(token: string): Promise<string | undefined>;
}

export function accessTokens(secret: string): AccessTokens {
  const key = createSecretKey(Buffer.from(secret, 'utf8'));
  return {
    issue: (userId) =>
      new SignJWT()
        .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
        .setSubject(userId)
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setIssuedAt()
        .setExpirationTime(`${ACCESS_SECONDS}s`)
        .sign(key),
    verify: async (token) => {
      try {
        const options = {
          algorithms: [ALGORITHM],
          issuer: ISSUER,
          audience: AUDIENCE,
          typ: TYPE,
          requiredClaims: ['sub', 'exp', 'iat'],
        };
        return (await jwtVerify(token, key, options)).payload.sub;
      } catch {
        return undefined;
      }
    },
  };
}
