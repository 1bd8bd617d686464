import { createSecretKey } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';

/** Seconds; the contract allows 15 minutes at most. */
export const ACCESS_SECONDS = 900;

const ISSUER = 'voiceoi';
const AUDIENCE = 'voiceoi-api';
const TYPE = 'at+jwt';
const ALGORITHM = 'HS256';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whom a token names. Roles are not in it: they are read from the database with each request. */
export interface TokenSubject {
  readonly userId: string;
  /** The session that it belongs to: a token ends with it. */
  readonly session: string;
}

/** Makes and checks the dashboard's access tokens. */
export interface AccessTokens {
  issue(subject: TokenSubject): Promise<string>;
  /** Undefined for a token that is expired, altered, or of another kind. */
  verify(token: string): Promise<TokenSubject | undefined>;
}

export function accessTokens(secret: string): AccessTokens {
  const key = createSecretKey(Buffer.from(secret, 'utf8'));
  // The algorithm is ours to choose: what a token says of itself is compared with it, and never followed.
  const options = {
    algorithms: [ALGORITHM],
    issuer: ISSUER,
    audience: AUDIENCE,
    typ: TYPE,
    requiredClaims: ['sub', 'sid', 'exp', 'iat'],
  };
  return {
    issue: ({ userId, session }) =>
      new SignJWT({ sid: session })
        .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
        .setSubject(userId)
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setIssuedAt()
        .setExpirationTime(`${ACCESS_SECONDS}s`)
        .sign(key),
    verify: async (token) => {
      try {
        const { sub, sid } = (await jwtVerify(token, key, options)).payload;
        return isUuid(sub) && isUuid(sid) ? { userId: sub, session: sid } : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}
