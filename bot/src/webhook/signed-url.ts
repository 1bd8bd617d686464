import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { type OrgKey, sameSecret } from '@voiceoi/kernel';

/** A request whose address may be signed (contract.md, Gateway). */
export interface SignedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Uint8Array;
}

/** Whether the address was signed with one of these keys, for this method, path and time, and, where it says so, for this very body. */
export function isSignedUrl(keys: readonly OrgKey[], request: SignedRequest, nowMs: number): boolean {
  const { query } = request;
  const exp = query.get('exp') ?? '';
  const sig = query.get('sig') ?? '';
  if (!/^\d{1,12}$/.test(exp) || !/^[0-9a-f]{64}$/.test(sig) || Number(exp) * 1000 <= nowMs) return false;
  const key = keys.find(({ generation }) => String(generation) === query.get('kid'));
  if (!key) return false;
  const bodySha256 = createHash('sha256').update(request.body).digest('hex');
  return ['', bodySha256].some((hash) => sameSecret(sig, urlSignature(key, request, exp, hash)));
}

/** Hex HMAC-SHA256 over method, path, time and the body's hash, which is empty for an address that is good for any body. */
export function urlSignature(
  key: OrgKey,
  { method, path }: Pick<SignedRequest, 'method' | 'path'>,
  exp: string,
  bodySha256: string,
): string {
  const info = `${key.orgId}:${key.generation}`;
  const signingKey = Buffer.from(hkdfSync('sha256', key.bytes, 'voiceoi/url-sig/v1', info, 32));
  return createHmac('sha256', signingKey).update(`${method}\n${path}\n${exp}\n${bodySha256}`).digest('hex');
}
