import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { type OrgKey, purposeKey } from '@voiceoi/kernel';
import type { SavedCall } from '../calls/index.ts';
import { parseSavedCall } from './saved-call.ts';

/** The purpose that an organization's key is derived for. */
const STATE_KEY = 'voiceoi/state/v1';

/**
 * A sealed call: version (1 byte), generation of the key (4), the call's id (16), nonce (12), ciphertext, tag (16), all in base64url. The content is
 * the call as JSON, deflated. What stands in the clear, with organization and campaign, is authenticated too.
 */
const VERSION = 1;
const HEAD_BYTES = 21;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Nobody seals more, so that whatever opens is small. */
const MOST_BYTES = 256 * 1024;
/** Longest state that is handed out: it goes into addresses, and servers on the way refuse longer ones. */
export const MOST_STATE = 6144;

/** Whose call a state has to be. */
export interface SealScope {
  readonly orgId: string;
  readonly campaignId: string;
}

/** Seals a call for the other side to carry. May be longer than `MOST_STATE`. */
export function sealCall(key: OrgKey, { orgId, campaignId }: SealScope, call: SavedCall): string {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(VERSION, 0);
  head.writeUInt32BE(key.generation, 1);
  head.write(call.id.replaceAll('-', ''), 5, 'hex');
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', purposeKey(key, STATE_KEY), nonce);
  cipher.setAAD(associated(head, { orgId, campaignId }));
  const content = deflateRawSync(JSON.stringify(call), { level: 9, dictionary: DICTIONARY });
  const sealed = Buffer.concat([cipher.update(content), cipher.final()]);
  return Buffer.concat([head, nonce, sealed, cipher.getAuthTag()]).toString('base64url');
}

/** Opens a state that was sealed for this organization and campaign, with one of its keys; undefined for anything else. */
export function openCall(keys: readonly OrgKey[], scope: SealScope, state: string): SavedCall | undefined {
  if (state.length > MOST_BYTES || !/^[A-Za-z0-9_-]+$/.test(state)) return undefined;
  const bytes = Buffer.from(state, 'base64url');
  // One text for one state: bits that base64url does not use would be free to change.
  if (bytes.length < HEAD_BYTES + NONCE_BYTES + TAG_BYTES || bytes.toString('base64url') !== state) return undefined;
  if (bytes.readUInt8(0) !== VERSION) return undefined;
  const generation = bytes.readUInt32BE(1);
  const key = keys.find((candidate) => candidate.generation === generation && candidate.orgId === scope.orgId);
  const content = key && decrypt(key, scope, bytes);
  return content && parse(content, bytes.toString('hex', 5, HEAD_BYTES));
}

function decrypt(key: OrgKey, scope: SealScope, bytes: Buffer): Buffer | undefined {
  const nonceEnd = HEAD_BYTES + NONCE_BYTES;
  const tagStart = bytes.length - TAG_BYTES;
  try {
    const decipher = createDecipheriv('aes-256-gcm', purposeKey(key, STATE_KEY), bytes.subarray(HEAD_BYTES, nonceEnd));
    decipher.setAAD(associated(bytes.subarray(0, HEAD_BYTES), scope));
    decipher.setAuthTag(bytes.subarray(tagStart));
    return Buffer.concat([decipher.update(bytes.subarray(nonceEnd, tagStart)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** What opens was sealed by a node, perhaps by a newer one whose calls have another shape. */
function parse(content: Buffer, idHex: string): SavedCall | undefined {
  try {
    const text = inflateRawSync(content, { dictionary: DICTIONARY, maxOutputLength: MOST_BYTES }).toString('utf8');
    const call = parseSavedCall(JSON.parse(text));
    return call?.id.replaceAll('-', '') === idHex ? call : undefined;
  } catch {
    return undefined;
  }
}

function associated(head: Uint8Array, { orgId, campaignId }: SealScope): Buffer {
  return Buffer.concat([head, Buffer.from(`${orgId}/${campaignId}`, 'utf8')]);
}

/** Text that calls are made of, the most frequent last: half of a small state would be names. Part of the format: a change needs another version. */
const DICTIONARY = Buffer.from(
  '"response":{"status":200,"headers":{},"body":"recording":{"file":"duration_ms":"ended_by":"silence""disposition":"comment":"fields":{"arm":' +
    '"progress":"kind":"record","kind":"transfer","dial":"kind":"wait","ms":"kind":"say","as":"digits","value":"kind":"play","prompt":{"sound":' +
    '{"kind":"http","method":"POST","url":"https://","headers":{},"timeout_ms":"status":200}{"kind":"answer"}' +
    '"awaited":{"kind":"gather","max_digits":1},"awaited":{"kind":"done"},"kind":"key","keys":"' +
    '"pending":{"kind":"gather","prompts":[{"sound":"https://"text":"],"min_digits":1,"max_digits":1,"terminator":"#","timeout_ms":5000,' +
    '"inter_digit_timeout_ms":2000,"speech":false},"vars":{},"input":{"digits":"1","speech":""},"since_input":0,"in_error":false,"hung_up":false' +
    '"state":{"step":"","seq":0,"entered_at_ms":0,"detail":[],"steps":0,"answered_at_ms":0,"first_ms":0,"slowest_ms":0,"lead":{"id":"' +
    '{"id":"019","campaign":"","script":"","version":1,"canary":false,"node":"","started_at":17,"issued_at":17,"until":17,"turn":1,"sid":"","channel":"webhook/json",' +
    '"caller":{"number":"+1","name":""},"dnid":"+1","args":{},"lead":{},"steps":1,',
  'utf8',
);
