import { createHmac, timingSafeEqual } from 'node:crypto';
import { type OrgKey, purposeKey } from './org-key.ts';

/** What a signed URL allows (contract.md, Gateway). */
export interface SignedRequest {
  /** Upper case. */
  readonly method: string;
  /** As it stands in the request, without query. */
  readonly path: string;
  /** Epoch seconds until which the URL is good. */
  readonly exp: number;
  /** Lower-case hex SHA-256 of the one body that it allows; without it any body is. */
  readonly bodySha256?: string | undefined;
}

/** The query of a URL that carries a signature. */
interface UrlSignature {
  readonly exp: number;
  readonly kid: number;
  readonly sig: string;
}

/** Query parameters that a signature takes. */
const SIGNATURE_PARAMETERS = ['exp', 'kid', 'sig'] as const;

/** The query that makes a URL a signed one: `exp=…&kid=…&sig=…`. */
export function signUrl(key: OrgKey, request: SignedRequest): string {
  return `exp=${request.exp}&kid=${key.generation}&sig=${digest(key, request).toString('hex')}`;
}

/** Whether a query claims to be signed, rightly or not. */
export function hasUrlSignature(query: string): boolean {
  return new URLSearchParams(query).has('sig');
}

/** What is left of a query without its signature, as it stood. */
export function withoutUrlSignature(query: string): string {
  return query
    .split('&')
    .filter((pair) => pair !== '' && !SIGNATURE_PARAMETERS.some((name) => new URLSearchParams(pair).has(name)))
    .join('&');
}

/**
 * Whether a request with this query is one that a good key has signed and that may still be made. A URL that was signed without a body's
 * hash allows every body, so both forms are tried. The time that it takes tells nothing of the right signature.
 */
export function verifyUrl(
  keys: readonly OrgKey[],
  query: string,
  request: { readonly method: string; readonly path: string; readonly bodySha256: string },
  nowMs: number,
): boolean {
  const signature = readSignature(query);
  if (!signature || signature.exp * 1000 <= nowMs) return false;
  const key = keys.find(({ generation }) => generation === signature.kid);
  if (!key) return false;
  const { method, path } = request;
  const given = Buffer.from(signature.sig, 'hex');
  const forms = [undefined, request.bodySha256];
  return (
    forms.filter((bodySha256) => timingSafeEqual(given, digest(key, { method, path, exp: signature.exp, bodySha256 })))
      .length > 0
  );
}

/** Each parameter once and in its only form, so that there is one text for one signature. */
function readSignature(query: string): UrlSignature | undefined {
  const parameters = new URLSearchParams(query);
  const [exp, kid, sig] = SIGNATURE_PARAMETERS.map((name) => {
    const values = parameters.getAll(name);
    return values.length === 1 ? values[0] : undefined;
  });
  if (!/^[1-9]\d{0,11}$/.test(exp ?? '') || !/^[1-9]\d{0,8}$/.test(kid ?? '')) return undefined;
  if (sig === undefined || !/^[0-9a-f]{64}$/.test(sig)) return undefined;
  return { exp: Number(exp), kid: Number(kid), sig };
}

function digest(key: OrgKey, { method, path, exp, bodySha256 = '' }: SignedRequest): Buffer {
  const secret = purposeKey(key, 'voiceoi/url-sig/v1');
  return createHmac('sha256', secret).update(`${method}\n${path}\n${exp}\n${bodySha256}`).digest();
}
