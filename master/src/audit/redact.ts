import { canonicalSha256 } from '@voiceoi/kernel';

/** Fields whose values are nobody's to read later, wherever they stand; also with something before them, such as `refresh_token`. */
export const SECRET_FIELDS = [
  'password',
  'password_hash',
  'token',
  'token_hash',
  'secret',
  'key',
  'api_key',
  'signature',
  'salt',
  'authorization',
  'cookie',
  'invite_url',
  'signed_url',
] as const;

const SECRET_NAME = new RegExp(`^(.*[_-])?(${SECRET_FIELDS.join('|')})$`, 'i');
/** Organization keys and API tokens as text, in whatever field they stand. */
const SECRET_TEXT = /\bvoi[a-z]?_[\w.-]{16,}/g;
const REDACTED = '[redacted]';
/** Above it, a field is kept as its hash alone: whole documents are in the versions of scripts. */
const FIELD_BYTES = 16 * 1024;

/** A thing as the audit log keeps it: JSON, without secrets, and large fields by their hash. */
export function auditable(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  const json: unknown = JSON.parse(JSON.stringify(value));
  if (!isObject(json)) return slim(json);
  return Object.fromEntries(Object.entries(json).map(([name, field]) => [name, kept(name, slim(field))]));
}

function slim(field: unknown): unknown {
  const bytes = Buffer.byteLength(JSON.stringify(field));
  return bytes > FIELD_BYTES ? { sha256: canonicalSha256(field), bytes } : redacted(field);
}

function redacted(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(SECRET_TEXT, REDACTED);
  if (Array.isArray(value)) return value.map(redacted);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, kept(name, redacted(field))]));
}

function kept(name: string, field: unknown): unknown {
  return SECRET_NAME.test(name) && field !== null ? REDACTED : field;
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
