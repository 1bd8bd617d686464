import { hkdfSync } from 'node:crypto';
import { openBytes, type SecretIdentity, sealBytes } from '@voiceoi/kernel';

/** Seals secrets for the database: whoever reads it, or a backup of it, does not have them without `SYNC_SECRET_SALT`. */
export interface AtRest {
  seal(identity: SecretIdentity, value: string): Uint8Array;
  /** Undefined when it was sealed under another salt, for another secret, or was altered. */
  open(identity: SecretIdentity, sealed: Uint8Array): string | undefined;
}

export function atRest(salt: string): AtRest {
  const keys = new Map<string, Uint8Array>();
  const keyOf = (orgId: string): Uint8Array => {
    const known = keys.get(orgId);
    if (known) return known;
    const bytes = hkdfSync('sha256', Buffer.from(salt, 'utf8'), 'voiceoi/secret-at-rest/v1', orgId, 32);
    const key = new Uint8Array(bytes);
    keys.set(orgId, key);
    return key;
  };
  return {
    seal: (identity, value) => sealBytes(keyOf(identity.orgId), identity, value),
    open: (identity, sealed) => openBytes(keyOf(identity.orgId), identity, sealed),
  };
}
