import type { WebhookAction } from '@voiceoi/contracts';
import { describe, expect, test } from 'vitest';
import type { Told } from './dialect.ts';
import { jambonz } from './jambonz.ts';

/** Verbs with their properties as jambonz publishes them: https://github.com/jambonz/schema/tree/main/verbs (read 2026-11). */
const PUBLISHED: { readonly [verb: string]: readonly string[] } = {
  say: ['text', 'instructions', 'stream', 'loop', 'synthesizer', 'earlyMedia', 'disableTtsCache'],
  play: ['url', 'loop', 'earlyMedia', 'seekOffset', 'timeoutSecs', 'actionHook'],
  gather: [
    ...['actionHook', 'input', 'finishOnKey', 'numDigits', 'minDigits', 'maxDigits', 'interDigitTimeout'],
    ...['speechTimeout', 'timeout', 'partialResultHook', 'listenDuringPrompt', 'dtmfBargein', 'bargein'],
    ...['minBargeinWordCount', 'recognizer', 'say', 'play', 'fillerNoise', 'actionHookDelayAction'],
  ],
  dial: ['target', 'actionHook', 'answerOnBridge', 'callerId', 'timeLimit', 'timeout', 'dialMusic', 'headers'],
  pause: ['length'],
  redirect: ['actionHook', 'statusHook'],
  hangup: ['headers'],
};

const NEXT = 'https://voice.example/webhook/abc/1?dialect=jambonz&state=abc';
const call = {
  call_sid: 'c1',
  account_sid: 'a1',
  application_sid: 'p1',
  direction: 'inbound',
  from: '+15550199',
  to: '100',
};

function read(fields: object, query = ''): Told {
  const told = jambonz.read(JSON.stringify({ ...call, ...fields }), new URLSearchParams(query));
  if ('errors' in told) throw new Error('it is understood');
  return told;
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was written
const written = (actions: readonly WebhookAction[], isOver = false): any[] =>
  JSON.parse(
    jambonz.write({ callId: 'x', state: 'abc', actions, ...(isOver && { end: { outcome: 'completed' } }) }, NEXT),
  );

const gather = {
  type: 'gather' as const,
  prompts: [{ text: 'Hello' }, { sound: 'https://s.example/a.wav' }],
  input: ['digits' as const],
  min_digits: 1,
  max_digits: 4,
  terminator: '#',
  timeout_ms: 4500,
  inter_digit_timeout_ms: 2000,
};
const EVERY: readonly WebhookAction[] = [
  { type: 'answer' },
  { type: 'play', prompt: { sound: 'https://s.example/a.wav' } },
  { type: 'play', prompt: { text: 'Hello', voice: 'Amy' }, interrupt_digits: '1' },
  { type: 'say', as: 'digits', value: '12' },
  gather,
  { type: 'wait', ms: 1500 },
  { type: 'dial', to: '+15550111', timeout_seconds: 20 },
  { type: 'dial', to: 'sip:a@b.example', timeout_seconds: 20 },
  { type: 'hangup' },
];

describe('verbs for jambonz', () => {
  test.each(EVERY)('of $type hold nothing but what jambonz publishes', (action) => {
    for (const { verb, ...properties } of written([action])) {
      expect(Object.keys(PUBLISHED)).toContain(verb);
      for (const name of Object.keys(properties)) expect(PUBLISHED[verb]).toContain(name);
    }
  });

  test('ask with the last prompt inside, and come back behind what does not by itself', () => {
    expect(written([gather])).toEqual([
      { verb: 'say', text: 'Hello' },
      {
        verb: 'gather',
        actionHook: NEXT,
        input: ['digits'],
        minDigits: 1,
        maxDigits: 4,
        finishOnKey: '#',
        timeout: 4.5,
        interDigitTimeout: 2,
        dtmfBargein: true,
        play: { url: 'https://s.example/a.wav' },
      },
    ]);
    const play: WebhookAction = { type: 'play', prompt: { text: 'Hi', language: 'de-DE' } };
    const say = { verb: 'say', text: 'Hi', synthesizer: { vendor: 'default', language: 'de-DE' } };
    expect(written([play])).toEqual([say, { verb: 'redirect', actionHook: NEXT }]);
    expect(written([play], true)).toEqual([say]);
    expect(written([{ type: 'dial', to: 'sip:a@b.example', timeout_seconds: 20 }])).toEqual([
      { verb: 'dial', target: [{ type: 'sip', sipUri: 'sip:a@b.example' }], timeout: 20, actionHook: NEXT },
    ]);
  });

  test('have no place for recordings, channel variables and the dialplan', () => {
    const record = { name: 'm', format: 'wav', max_seconds: 1, silence_seconds: 1, beep: true, stop_digits: '' };
    expect(jambonz.misfit({ type: 'record', ...record })).toBeDefined();
    expect(jambonz.misfit({ type: 'set', variables: [] })).toBeDefined();
    for (const action of EVERY) expect(jambonz.misfit(action)).toBeUndefined();
  });
});

describe('a request of jambonz', () => {
  test('begins a call, or goes on with what was gathered or dialled', () => {
    expect(read({ call_status: 'trying', caller_name: 'Ann' }, 'lead.id=7')).toEqual({
      heard: { event: 'start' },
      isNews: false,
      sid: 'c1',
      caller: { number: '+15550199', name: 'Ann' },
      dnid: '100',
      lead: { id: '7' },
    });
    const heard = (fields: object) => read({ call_status: 'in-progress', ...fields }, 'state=s').heard;
    expect(heard({ reason: 'dtmfDetected', digits: '12' })).toEqual({ event: 'input', digits: '12' });
    const speech = { is_final: true, alternatives: [{ transcript: 'yes please', confidence: 0.9 }] };
    expect(heard({ reason: 'speechDetected', speech })).toEqual({ event: 'input', speech: 'yes please' });
    expect(heard({ reason: 'timeout' })).toEqual({ event: 'input' });
    expect(heard({ dial_call_status: 'no-answer' })).toEqual({ event: 'input', dial_status: 'no_answer' });
    expect(heard({ speech: { alternatives: 'x' }, digits: 1 })).toEqual({ event: 'input', digits: '' });
  });

  test('tells of the end of a call; other news of it asks for nothing', () => {
    for (const call_status of ['completed', 'failed', 'busy', 'no-answer'])
      expect(read({ call_status, call_termination_by: 'caller' }, 'status=1')).toMatchObject({
        heard: { event: 'hangup' },
        isNews: false,
      });
    expect(read({ call_status: 'in-progress' }, 'status=1').isNews).toBe(true);
  });
});
