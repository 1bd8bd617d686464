import type { WebhookAction } from '@voiceoi/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readXml, type XmlElement } from '../../../../test/services/read-xml.ts';
import type { Told } from './dialect.ts';
import { twiml } from './twiml.ts';

/**
 * Verbs and nouns with their attributes as Twilio publishes them: https://www.twilio.com/docs/voice/twiml/gather, …/record, …/dial, …/number, …/sip,
 * …/say, …/play, …/pause, …/redirect, …/hangup (read 2026-11).
 */
const PUBLISHED: { readonly [name: string]: readonly string[] } = {
  Response: [],
  Gather: [
    ...['action', 'finishOnKey', 'hints', 'input', 'language', 'method', 'numDigits', 'partialResultCallback'],
    ...['partialResultCallbackMethod', 'profanityFilter', 'speechTimeout', 'timeout', 'speechModel', 'enhanced'],
    ...['actionOnEmptyResult', 'debug', 'bargeIn', 'maxSpeechTime'],
  ],
  Record: [
    ...['action', 'method', 'timeout', 'finishOnKey', 'maxLength', 'playBeep', 'trim', 'recordingStatusCallback'],
    ...['recordingStatusCallbackMethod', 'recordingStatusCallbackEvent', 'transcribe', 'transcribeCallback'],
  ],
  Dial: [
    ...['action', 'answerOnBridge', 'callerId', 'callReason', 'hangupOnStar', 'method', 'record', 'referMethod'],
    ...['referUrl', 'ringTone', 'timeLimit', 'timeout', 'trim', 'sequential', 'recordingTrack'],
  ],
  Number: ['sendDigits', 'url', 'method', 'byoc', 'statusCallback', 'statusCallbackEvent', 'statusCallbackMethod'],
  Sip: ['url', 'method', 'username', 'password', 'statusCallback', 'statusCallbackEvent', 'statusCallbackMethod'],
  Say: ['language', 'voice', 'loop'],
  Play: ['digits', 'loop'],
  Pause: ['length'],
  Redirect: ['method'],
  Hangup: [],
};

/** Parameters of Twilio's requests: https://www.twilio.com/docs/voice/twiml#request-parameters and those of Gather, Record and Dial. */
type Parameter =
  | (
      | 'CallSid'
      | 'AccountSid'
      | 'From'
      | 'To'
      | 'CallStatus'
      | 'ApiVersion'
      | 'Direction'
      | 'ForwardedFrom'
      | 'CallerName'
    )
  | ('Digits' | 'SpeechResult' | 'Confidence')
  | ('RecordingUrl' | 'RecordingDuration')
  | ('DialCallStatus' | 'DialCallSid' | 'DialCallDuration');

const NEXT = 'https://voice.example/webhook/abc/1?dialect=twiml&state=abc';
const call = { CallSid: 'CA1', AccountSid: 'AC1', From: '+15550199', To: '+15550100', ApiVersion: '2010-04-01' };

function read(form: { readonly [name in Parameter]?: string }, query = ''): Told {
  const told = twiml.read(new URLSearchParams({ ...call, ...form }).toString(), new URLSearchParams(query));
  if ('errors' in told) throw new Error('it is understood');
  return told;
}

const written = (actions: readonly WebhookAction[], isOver = false): XmlElement =>
  readXml(twiml.write({ callId: 'x', state: 'abc', actions, ...(isOver && { end: { outcome: 'completed' } }) }, NEXT));

const all = (element: XmlElement): readonly XmlElement[] => [element, ...element.children.flatMap(all)];

const gather = {
  type: 'gather' as const,
  prompts: [
    { sound: 'https://s.example/a.wav?x=1&y=2' },
    { text: 'Press <1> & wait', language: 'en-GB' },
    { digits: '1#' },
  ],
  input: ['digits' as const, 'speech' as const],
  min_digits: 1,
  max_digits: 4,
  terminator: '#',
  timeout_ms: 4500,
  inter_digit_timeout_ms: 2000,
};
const record = {
  type: 'record' as const,
  name: 'm',
  format: 'wav',
  max_seconds: 60,
  silence_seconds: 3,
  beep: true,
  stop_digits: '#',
};
const EVERY: readonly WebhookAction[] = [
  { type: 'answer' },
  { type: 'play', prompt: { sound: 'https://s.example/a.wav' } },
  { type: 'play', prompt: { text: 'Hello', voice: 'Polly.Amy' }, interrupt_digits: '1' },
  { type: 'say', as: 'date', value: '1795500000', timezone: 'Europe/London' },
  gather,
  record,
  { type: 'wait', ms: 1500 },
  { type: 'dial', to: '+15550111', timeout_seconds: 20 },
  { type: 'dial', to: 'sip:a@b.example', timeout_seconds: 20 },
  { type: 'hangup' },
];

describe('TwiML', () => {
  test.each(EVERY)('of $type holds nothing but what Twilio publishes', (action) => {
    for (const { name, attributes } of all(written([action])))
      for (const attribute of Object.keys(attributes)) expect(PUBLISHED[name]).toContain(attribute);
    for (const { name } of all(written([action]))) expect(Object.keys(PUBLISHED)).toContain(name);
  });

  test('asks with the prompts inside, and hears also of a caller who does nothing', () => {
    const [first] = written([gather]).children;
    expect(first).toMatchObject({
      name: 'Gather',
      attributes: {
        input: 'dtmf speech',
        numDigits: '4',
        finishOnKey: '#',
        timeout: '5',
        speechTimeout: 'auto',
        action: NEXT,
        method: 'POST',
        actionOnEmptyResult: 'true',
      },
      children: [
        { name: 'Play', text: 'https://s.example/a.wav?x=1&y=2' },
        { name: 'Say', text: 'Press <1> & wait', attributes: { language: 'en-GB' } },
        { name: 'Say', text: '1 pound' },
      ],
    });
  });

  test('comes back behind what does not by itself, unless the call is over', () => {
    const play: WebhookAction = { type: 'play', prompt: { text: 'Hi' } };
    const names = (actions: readonly WebhookAction[], isOver = false) =>
      written(actions, isOver).children.map(({ name }) => name);
    expect(names([play])).toEqual(['Say', 'Redirect']);
    expect(written([play]).children[1]).toMatchObject({ text: NEXT, attributes: { method: 'POST' } });
    expect(names([play], true)).toEqual(['Say']);
    expect(names([gather])).toEqual(['Gather']);
    expect(names([{ ...play, interrupt_digits: '1' }])).toEqual(['Gather']);
    expect(names([{ type: 'dial', to: '+15550111', timeout_seconds: 20 }])).toEqual(['Dial']);
    // An empty recording asks for nothing.
    expect(names([record])).toEqual(['Record', 'Redirect']);
    expect(names([])).toEqual(['Redirect']);
    expect(names([], true)).toEqual([]);
  });

  test('stays well formed whatever a script says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.string({ maxLength: 40 }), (text, voice) => {
        const [say] = written([{ type: 'play', prompt: { text, voice } }], true).children;
        const printable = text
          .toWellFormed()
          .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '');
        expect(say?.text).toBe(printable);
      }),
    );
  });

  test('says numbers, letters and times in words that a voice can read', () => {
    const said = (as: 'digits' | 'number' | 'letters' | 'phonetic' | 'date' | 'time' | 'datetime', value: string) =>
      written([{ type: 'say', as, value, timezone: 'Europe/London' }], true).children[0]?.text.replaceAll(
        '\u202f',
        ' ',
      );
    expect(said('digits', '10#')).toBe('1 0 pound');
    expect(said('number', '-12')).toBe('-12');
    expect(said('letters', 'a1')).toBe('a 1');
    expect(said('phonetic', 'ab-1')).toBe('Alfa Bravo - 1');
    expect(said('date', '1795510321')).toBe('Tuesday, November 24, 2026');
    expect(said('time', '1795510321')).toMatch(/^\d{1,2}:\d\d [AP]M$/);
    expect(said('datetime', '1795510321')).toMatch(/^Tuesday, November 24, 2026 at \d{1,2}:\d\d [AP]M$/);
  });

  test('has no place for channel variables, the dialplan, and sounds without an address', () => {
    expect(twiml.misfit({ type: 'set', variables: [] })).toBeDefined();
    expect(twiml.misfit({ type: 'transfer', context: 'a', extension: '1', priority: 1 })).toBeDefined();
    expect(twiml.misfit({ type: 'play', prompt: { sound: 'tt-weasels' } })).toContain('tt-weasels');
    expect(twiml.misfit({ ...gather, prompts: [{ sound: 'x' }] })).toBeDefined();
    expect(twiml.misfit({ type: 'dial', to: 'SIP/100', timeout_seconds: 1 })).toBeDefined();
    for (const action of EVERY) expect(twiml.misfit(action)).toBeUndefined();
  });
});

describe('a request of Twilio', () => {
  test('begins a call of whoever is on the line', () => {
    const inbound = read({ CallStatus: 'ringing', Direction: 'inbound', CallerName: 'ANN' }, 'lead.id=7&x=1');
    expect(inbound).toEqual({
      heard: { event: 'start' },
      isNews: false,
      sid: 'CA1',
      caller: { number: '+15550199', name: 'ANN' },
      dnid: '+15550100',
      lead: { id: '7' },
    });
    expect(read({ CallStatus: 'in-progress', Direction: 'outbound-api' })).toMatchObject({
      caller: { number: '+15550100' },
      dnid: '+15550199',
    });
  });

  test('brings keys, speech, a recording or what became of dialling', () => {
    const heard = (form: Parameters<typeof read>[0]) => read({ CallStatus: 'in-progress', ...form }, 'state=s').heard;
    expect(heard({ Digits: '12' })).toEqual({ event: 'input', digits: '12' });
    expect(heard({ SpeechResult: 'yes', Confidence: '0.9' })).toEqual({ event: 'input', speech: 'yes' });
    expect(heard({ RecordingUrl: 'https://r/1', RecordingDuration: '3', Digits: '#' })).toEqual({
      event: 'input',
      recording: { file: 'https://r/1', duration_ms: 3000, digit: '#' },
    });
    const dialled = ['completed', 'answered', 'busy', 'no-answer', 'failed', 'canceled'].map(
      (DialCallStatus) => heard({ DialCallStatus }).dial_status,
    );
    expect(dialled).toEqual(['answered', 'answered', 'busy', 'no_answer', 'failed', 'failed']);
  });

  test('tells of the end of a call, with what the caller left', () => {
    for (const CallStatus of ['completed', 'busy', 'failed', 'no-answer', 'canceled'])
      expect(read({ CallStatus }).heard).toEqual({ event: 'hangup' });
    expect(
      read(
        { CallStatus: 'completed', RecordingUrl: 'https://r/1', RecordingDuration: '3', Digits: 'hangup' },
        'state=s',
      ),
    ).toMatchObject({ heard: { event: 'hangup', recording: { ended_by: 'hangup' } }, state: 's' });
  });

  test('that only tells how a call goes asks for nothing', () => {
    expect(read({ CallStatus: 'in-progress' }, 'status=1').isNews).toBe(true);
    expect(read({ CallStatus: 'completed' }, 'status=1')).toMatchObject({ isNews: false, heard: { event: 'hangup' } });
  });
});
