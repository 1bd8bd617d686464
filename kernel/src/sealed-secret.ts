import { type CipherKey, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type OrgKey, purposeKey } from './org-key.ts';

/** The purpose that an organization's key is derived for. */
const TRANSPORT = 'voiceoi/secret/v1';

/** Which value of which secret: what it is sealed for. One cannot be put in the place of another. */
export interface SecretIdentity {
  readonly orgId: string;
  readonly name: string;
  readonly version: number;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A secret as nodes get it, for one generation of their organization's key (contract.md, Sync API). */
export function sealSecret(key: OrgKey, identity: SecretIdentity, value: string): string {
  return sealBytes(purposeKey(key, TRANSPORT), identity, value).toString('base64url');
}

/** The secret in what `sealSecret` made; undefined where it was made with another key, for something else, or altered. */
export function openSecret(key: OrgKey, identity: SecretIdentity, sealed: string): string | undefined {
  return openBytes(purposeKey(key, TRANSPORT), identity, Buffer.from(sealed, 'base64url'));
}

/** Nonce, ciphertext and tag of AES-256-GCM. The nonce is random: far fewer than 2^32 secrets are ever sealed with one key. */
export function sealBytes(key: CipherKey, identity: SecretIdentity, value: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associated(identity));
  return Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/** The value in what `sealBytes` made; undefined where key or identity are others, or it was altered. */
export function openBytes(key: CipherKey, identity: SecretIdentity, sealed: Uint8Array): string | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(associated(identity));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    const body = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
    return Buffer.concat([body, decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

function associated({ orgId, name, version }: SecretIdentity): Buffer {
  return Buffer.from(`${orgId}/${name}/${version}`, 'utf8');
}
