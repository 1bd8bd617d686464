import { createHash, createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';
import { canonicalJson } from './canonical.ts';

/** An organization's key, taken apart. `bytes` are the 32 from which purposes derive their own keys. */
export interface OrgKey {
  readonly orgId: string;
  readonly generation: number;
  readonly bytes: Uint8Array;
}

/** `voi_<org_id>_<generation>_<64 hex>` (contract.md, Organization keys). `salt` is `SYNC_SECRET_SALT`, as UTF-8. */
export function deriveOrgKey(salt: string, orgId: string, generation: number): string {
  const bytes = hkdfSync('sha256', Buffer.from(salt, 'utf8'), 'voiceoi/org-key/v1', `${orgId}:${generation}`, 32);
  return `voi_${orgId}_${generation}_${Buffer.from(bytes).toString('hex')}`;
}

/** Takes a key apart by its form alone; undefined when it has another form. Says nothing about whether it is good. */
export function parseOrgKey(text: string): OrgKey | undefined {
  const match = /^voi_([a-z0-9][a-z0-9-]{0,31})_([1-9][0-9]{0,8})_([0-9a-f]{64})$/.exec(text);
  const [, orgId, generation, hex] = match ?? [];
  if (orgId === undefined || generation === undefined || hex === undefined) return undefined;
  return { orgId, generation: Number(generation), bytes: Buffer.from(hex, 'hex') };
}

/** Compares two secrets in a time that tells nothing of where they differ. */
export function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Signs a message for nodes, a change or a node order: adds `kid`, the key's generation, and `sig` (sync-protocol.md, Change). */
export function signChange<T extends object>(key: OrgKey, message: T): T & { kid: string; sig: string } {
  const body = { ...message, kid: String(key.generation) };
  return { ...body, sig: signature(key, body) };
}

interface SignedForOrg {
  readonly org_id: string;
  readonly kid: string;
  readonly sig: string;
}

/** Whether `sig` was made with this very key over the rest of the message. */
export function verifyChange<T extends SignedForOrg>(key: OrgKey, message: T): boolean {
  const { sig, ...body } = message;
  return body.kid === String(key.generation) && body.org_id === key.orgId && sameSecret(sig, signature(key, body));
}

function signature(key: OrgKey, body: object): string {
  return createHmac('sha256', purposeKey(key, 'voiceoi/sync-sig/v1')).update(canonicalJson(body)).digest('hex');
}

const purposeKeys = new WeakMap<OrgKey, Map<string, KeyObject>>();

/**
 * The key for one purpose (contract.md: HKDF-SHA256 with the purpose as salt, `<org_id>:<generation>` as info, 32 bytes). Derived once per key
 * object: a change is signed in the hot path from commit to node, and a bundle holds many secrets.
 */
export function purposeKey(key: OrgKey, purpose: string): KeyObject {
  const ofKey = purposeKeys.get(key) ?? new Map<string, KeyObject>();
  purposeKeys.set(key, ofKey);
  const info = `${key.orgId}:${key.generation}`;
  const made = ofKey.get(purpose) ?? createSecretKey(Buffer.from(hkdfSync('sha256', key.bytes, purpose, info, 32)));
  ofKey.set(purpose, made);
  return made;
}
