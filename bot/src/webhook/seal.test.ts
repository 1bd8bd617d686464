import type { Json } from '@voiceoi/contracts';
import { compile, start } from '@voiceoi/script';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MENU, orgOf, testKey } from '../../../test/services/webhook-node.ts';
import type { SavedCall } from '../calls/index.ts';
import { turnContext } from '../calls/turn-context.ts';
import { uuidv7 } from '../calls/uuid.ts';
import { MOST_STATE, openCall, sealCall } from './seal.ts';

const { key } = testKey('abc');
const scope = { orgId: 'abc', campaignId: '1' };

const call = (changes: Partial<SavedCall> = {}): SavedCall => ({
  id: uuidv7(),
  campaign: '1',
  script: 's',
  version: 1,
  canary: false,
  node: 'node-1',
  started_at: Date.now(),
  issued_at: Date.now(),
  until: Date.now() + 3_600_000,
  turn: 1,
  sid: 'CA0123456789abcdef0123456789abcdef',
  channel: 'webhook/twiml',
  caller: { number: '+15550199', name: '' },
  dnid: '+15550100',
  args: {},
  lead: {},
  steps: 2,
  awaited: { kind: 'gather', max_digits: 1 },
  state: {},
  ...changes,
});

/** A call as the interpreter leaves it at its first question. */
function played(): SavedCall {
  const compiled = compile({ ...MENU, entry: 'menu' });
  if (!compiled.ok) throw new Error('the test’s script compiles');
  const saved = call();
  return {
    ...saved,
    state: start(compiled.script, turnContext(saved, { org: orgOf(MENU), variables: {} }, new Map())).state,
  };
}

const json = fc.jsonValue({ maxDepth: 3 }).map((value) => value as Json);
const text = fc.string({ unit: 'grapheme', maxLength: 60 });

describe('a sealed call', () => {
  test('opens as it was, whatever it holds', () => {
    const saved = fc.record({
      state: fc.dictionary(text, json),
      lead: fc.dictionary(text, text),
      node: text,
      turn: fc.nat(),
    });
    fc.assert(
      fc.property(saved, (changes) => {
        const sealed = JSON.parse(JSON.stringify(call(changes)));
        expect(openCall([key], scope, sealCall(key, scope, sealed))).toEqual(sealed);
      }),
    );
  });

  test('is refused when any bit of it is another', () => {
    const state = sealCall(key, scope, played());
    const bytes = Buffer.from(state, 'base64url');
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        expect(openCall([key], scope, changed.toString('base64url'))).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });

  test('is refused when any character of it is another, is missing, or is more', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ .';
    const state = sealCall(key, scope, played());
    const change = fc.record({ at: fc.nat(state.length - 1), to: fc.constantFrom(...alphabet), drops: fc.nat(2) });
    fc.assert(
      fc.property(change, ({ at, to, drops }) => {
        const changed = state.slice(0, at) + to + state.slice(at + drops);
        expect(openCall([key], scope, changed) !== undefined).toBe(changed === state);
      }),
      { numRuns: 2000 },
    );
  });

  test('is refused when it is anything at all', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 300 }), fc.base64String({ maxLength: 400 })), (rubbish) => {
        expect(openCall([key], scope, rubbish)).toBeUndefined();
      }),
    );
  });

  test('belongs to its organization, campaign and generation of the key', () => {
    const state = sealCall(key, scope, call());
    expect(openCall([key], { orgId: 'abc', campaignId: '2' }, state)).toBeUndefined();
    expect(openCall([testKey('xyz').key], { orgId: 'xyz', campaignId: '1' }, state)).toBeUndefined();
    expect(openCall([testKey('abc', 2).key], scope, state)).toBeUndefined();
    expect(openCall([testKey('abc', 2).key, key], scope, state)).toBeDefined();
  });

  test('of two equal calls never looks the same', () => {
    const saved = call();
    expect(sealCall(key, scope, saved)).not.toBe(sealCall(key, scope, saved));
  });

  test('of a usual call is short enough for an address', () => {
    const state = sealCall(key, scope, played());
    expect(state.length).toBeLessThan(700);
    expect(MOST_STATE).toBeGreaterThan(state.length * 5);
  });
});
