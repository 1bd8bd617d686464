import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jambonz } from './jambonz.ts';
import { json } from './json.ts';
import { twiml } from './twiml.ts';

const FORM = [
  ...[
    'CallSid',
    'From',
    'To',
    'CallStatus',
    'Direction',
    'Digits',
    'SpeechResult',
    'RecordingUrl',
    'RecordingDuration',
  ],
  ...['DialCallStatus', 'CallerName'],
];
const FIELDS = [
  'call_sid',
  'from',
  'to',
  'direction',
  'call_status',
  'digits',
  'speech',
  'dial_call_status',
  'event',
  'state',
];
const text = fc.oneof(fc.string(), fc.constantFrom('completed', 'hangup', 'outbound', '-1', '1e999', '#1'));
const query = fc.array(fc.tuple(fc.constantFrom('state', 'status', 'lead.x', 'lead.__proto__', 'y'), text), {
  maxLength: 4,
});

describe.each([json, twiml, jambonz])('a request in the dialect $name', (dialect) => {
  test('that is anything at all is understood or refused, and brings nothing that is too much', () => {
    const form = fc
      .array(fc.tuple(fc.constantFrom(...FORM), text), { maxLength: 8 })
      .map((entries) => new URLSearchParams(entries).toString());
    const fields = fc
      .dictionary(fc.constantFrom(...FIELDS), fc.oneof(text, fc.jsonValue()))
      .map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(fc.oneof(form, fields, fc.json(), fc.string()), query, (body, parameters) => {
        const told = dialect.read(body, new URLSearchParams(parameters));
        if ('errors' in told) {
          expect(told.errors.length).toBeGreaterThan(0);
          return;
        }
        expect(told.heard.digits ?? '').toMatch(/^[0-9*#]{0,128}$/);
        expect(told.heard.speech?.length ?? 0).toBeLessThanOrEqual(4096);
        expect(Number.isFinite(told.heard.recording?.duration_ms ?? 0)).toBe(true);
        expect(told.caller.number.length + told.dnid.length + told.sid.length).toBeLessThanOrEqual(3 * 256);
      }),
      { numRuns: 1000 },
    );
  });
});
