import { createHash } from 'node:crypto';
import { type OrgKey, parseOrgKey, sameSecret, verifyUrl } from '@voiceoi/kernel';
import { type Refusal, refusal } from './problem.ts';
import { isTwilioSignature } from './twilio-signature.ts';

/** A key of an organization, as text and taken apart. */
export interface NodeKey {
  readonly text: string;
  readonly key: OrgKey;
}

/** What a request proves itself with, before its body is read. */
export interface Credentials {
  readonly method: string;
  /** As it came, with the query. */
  readonly target: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly secret: string | undefined;
  readonly twilioSignature: string | undefined;
  /** Header `X-Voiceoi-Public-Url`: how the gateway was called. */
  readonly publicUrl: string | undefined;
}

/** What a node knows to judge them by. */
export interface Proofs {
  /** Keys of an organization; empty when the node does not serve it. */
  keysOf(orgId: string): readonly NodeKey[];
  secretOf(orgId: string, name: string): string | undefined;
  /** How this node is reached, without a slash at the end. */
  readonly advertiseUrl: string;
  readonly now: () => number;
}

/** Whether a request may be let in; `byBody` cannot be told before the body is there. */
export type FirstLook =
  | { readonly kind: 'good'; readonly url: string }
  | { readonly kind: 'by_body' }
  | { readonly kind: 'bad'; readonly refusal: Refusal };

const UNKNOWN = refusal(401, 'UNAUTHORIZED', 'this needs X-Organization-Secret, a signed URL or a signature');

/**
 * Judges what needs no body. A secret that is given has to be good, whatever else there is; only then is the gateway believed about the address that
 * it was called by.
 */
export function lookAt(orgId: string, credentials: Credentials, proofs: Proofs): FirstLook {
  const { secret, query, twilioSignature, publicUrl, target } = credentials;
  if (secret !== undefined) {
    if (isGood(secret, proofs.keysOf(orgId))) return { kind: 'good', url: believed(publicUrl) ?? own(target, proofs) };
    const theirs = parseOrgKey(secret)?.orgId;
    const isForeign = theirs !== undefined && theirs !== orgId && isGood(secret, proofs.keysOf(theirs));
    const foreign = refusal(403, 'FORBIDDEN', 'this key is another organization’s');
    return { kind: 'bad', refusal: isForeign ? foreign : UNKNOWN };
  }
  const mayBeGood = query.has('sig') || twilioSignature !== undefined;
  return mayBeGood && proofs.keysOf(orgId).length > 0 ? { kind: 'by_body' } : { kind: 'bad', refusal: UNKNOWN };
}

/** Judges a request by its body too; answers the address that it was called by. */
export function lookAtBody(
  orgId: string,
  credentials: Credentials,
  body: Buffer,
  isForm: boolean,
  proofs: Proofs,
): { readonly url: string } | { readonly refusal: Refusal } {
  const { method, path, query, target, twilioSignature } = credentials;
  const url = own(target, proofs);
  const keys = proofs.keysOf(orgId).map(({ key }) => key);
  const bodySha256 = createHash('sha256').update(body).digest('hex');
  if (verifyUrl(keys, query.toString(), { method, path, bodySha256 }, proofs.now())) return { url };
  if (isForm && twilioSignature !== undefined) {
    const token = proofs.secretOf(orgId, 'twilio_auth_token') ?? '';
    if (isTwilioSignature(token, url, new URLSearchParams(body.toString('utf8')), twilioSignature)) return { url };
  }
  return { refusal: UNKNOWN };
}

/** Every key is compared, so that the time tells nothing of which one was close. */
function isGood(secret: string, keys: readonly NodeKey[]): boolean {
  return keys.map(({ text }) => sameSecret(secret, text)).includes(true);
}

function own(target: string, { advertiseUrl }: Proofs): string {
  return `${advertiseUrl.replace(/\/+$/, '')}${target}`;
}

function believed(publicUrl: string | undefined): string | undefined {
  const isHttp = publicUrl !== undefined && publicUrl.length <= 16_384 && /^https?:\/\//.test(publicUrl);
  return isHttp && URL.canParse(publicUrl) ? publicUrl : undefined;
}
