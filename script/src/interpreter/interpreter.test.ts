import { describe, expect, it } from 'vitest';
import {
  advance,
  type CallContext,
  type CallEvent,
  type CallState,
  type CompiledScript,
  compile,
  type Effect,
  type EffectKind,
  type EffectResult,
  STEP_TYPES,
  type StepRecord,
  start,
  type Turn,
} from '../index.ts';
import { fraction } from '../steps/index.ts';

const facts: CallContext['facts'] = {
  id: '0192c3a0-0000-7000-8000-000000000001',
  org_id: 'acme',
  campaign_id: '123',
  script_id: 'menu',
  version: 3,
  node_id: 'node-1',
  channel: 'SIP/trunk-1',
  unique_id: '1700000000.1',
  caller: { number: '+1 (555) 0100', name: 'Ann' },
  dnid: '8000',
  context: 'default',
  extension: 's',
  language: 'en',
  args: {},
  started_at_ms: Date.UTC(2026, 0, 2, 3, 4, 5),
};
const bare: CallContext = { facts, lead: {}, variables: {}, secrets: new Map() };

function scriptOf(steps: { readonly [name: string]: object }, more: object = {}): CompiledScript {
  const document = { schema: 'voiceoi/script/v1', entry: Object.keys(steps)[0], steps, ...more };
  const compiled = compile(document);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return compiled.script;
}

type Happening = EffectResult | 'hangup' | 'limit';

/** What a call did: its steps, the effects that it asked for, and how it ended, if it did. */
interface Played {
  readonly records: readonly StepRecord[];
  readonly effects: readonly Effect[];
  readonly last: Turn;
  readonly state: CallState;
}

/** Plays a call: what happens answers the effects one by one, 100 ms apart. */
function play(script: CompiledScript, happenings: readonly Happening[] = [], context: CallContext = bare): Played {
  let turn = start(script, context);
  const records = [...turn.finished];
  const effects: Effect[] = turn.effect ? [turn.effect] : [];
  for (const [index, happening] of happenings.entries()) {
    if (turn.end) throw new Error(`the call has ended before happening ${index}`);
    turn = advance(script, context, turn.state, eventOf(happening, (index + 1) * 100));
    records.push(...turn.finished);
    if (turn.effect) effects.push(turn.effect);
  }
  return { records, effects, last: turn, state: turn.state };
}

function eventOf(happening: Happening, at_ms: number): CallEvent {
  if (happening === 'hangup' || happening === 'limit') return { kind: happening, at_ms };
  return { kind: 'result', at_ms, result: happening };
}

const done: EffectResult = { kind: 'done' };
const played: EffectResult = { kind: 'played' };
const failed: EffectResult = { kind: 'failed', reason: 'it broke' };
const keyed = (digits: string): EffectResult => ({ kind: 'gathered', digits, ended_by: 'max_digits' });
const said = (speech: string): EffectResult => ({ kind: 'gathered', digits: '', speech, ended_by: 'speech' });
const silence: EffectResult = { kind: 'gathered', digits: '', ended_by: 'timeout' };
const recorded: EffectResult = { kind: 'recorded', file: '/r/a.wav', duration_ms: 1500, ended_by: 'silence' };
const answer = (status: number, body = {}): EffectResult => ({ kind: 'response', status, headers: {}, body });
const detected = (result: 'human' | 'machine' | 'unsure'): EffectResult => ({ kind: 'detected', result });
const dialled = (status: 'answered' | 'busy' | 'no_answer' | 'failed'): EffectResult => ({ kind: 'dialled', status });

/** One way through one step. */
interface StepCase {
  readonly what: string;
  readonly step: object;
  readonly results?: readonly EffectResult[];
  readonly context?: Partial<CallContext>;
  /** Effects that the step asks for, in order. */
  readonly effects?: readonly object[];
  /** What the step's record shows. */
  readonly outcome: string;
  readonly detail?: readonly object[];
  /** The step that follows; `error` where on_error is taken. Absent: the call ends. */
  readonly leadsTo?: string;
}

const to = (...outcomes: readonly string[]) => ({ on: Object.fromEntries(outcomes.map((name) => [name, 'next'])) });
const gather = (more: object = {}, on: object = {}) => ({
  type: 'gather',
  ...more,
  on: { '1': 'one', timeout: 'next', invalid: 'next', ...on },
});
const gatherEffect = {
  kind: 'gather',
  prompts: [],
  min_digits: 1,
  max_digits: 1,
  terminator: '#',
  timeout_ms: 5000,
  inter_digit_timeout_ms: 2000,
  speech: false,
};
const hook = { type: 'webhook', url: 'https://x.example/{{ call.id }}' };
const dial = { type: 'transfer', to: { dial: 'SIP/{{ lead.peer }}' } };
const peer = { lead: { peer: '200' } };

const CASES: { readonly [T in keyof typeof STEP_TYPES]: readonly StepCase[] } = {
  answer: [
    {
      what: 'answered',
      step: { type: 'answer', next: 'next' },
      results: [done],
      effects: [{ kind: 'answer' }],
      outcome: 'done',
      detail: [{ kind: 'answer' }],
      leadsTo: 'next',
    },
    {
      what: 'not answered',
      step: { type: 'answer', next: 'next' },
      results: [failed],
      outcome: 'error',
      detail: [{ kind: 'answer', failed: 'it broke' }],
      leadsTo: 'error',
    },
    {
      what: 'not answered, wired',
      step: { type: 'answer', ...to('done', 'error') },
      results: [failed],
      outcome: 'error',
      leadsTo: 'next',
    },
  ],
  play: [
    {
      what: 'each prompt by an effect of its own',
      step: {
        type: 'play',
        prompts: ['a', { sound: 'https://x.example/{{ lead.peer }}.wav' }, { digits: '1-2 {{ lead.peer }}' }],
        next: 'next',
      },
      results: [played, played, played],
      context: peer,
      effects: [
        { kind: 'play', prompt: { sound: 'a' }, interrupt_digits: '' },
        { kind: 'play', prompt: { sound: 'https://x.example/200.wav' }, interrupt_digits: '' },
        { kind: 'play', prompt: { digits: '12200' }, interrupt_digits: '' },
      ],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'a key leaves the others out',
      step: { type: 'play', prompts: ['a', 'b'], interrupt_digits: '12', ...to('done', 'digit') },
      results: [{ kind: 'played', digit: '2' }],
      effects: [{ kind: 'play', interrupt_digits: '12' }],
      outcome: 'digit',
      detail: [{ kind: 'play', prompt: { sound: 'a' }, interrupt_digits: '12', digit: '2' }],
      leadsTo: 'next',
    },
    {
      what: 'an unwired key counts as done',
      step: { type: 'play', prompts: ['a'], interrupt_digits: '1', next: 'next' },
      results: [{ kind: 'played', digit: '1' }],
      outcome: 'digit',
      leadsTo: 'next',
    },
    {
      what: 'text as it is, with its voice',
      step: { type: 'play', prompts: [{ text: 'Hi {{ lead.peer }}', voice: 'v', language: 'en' }], next: 'next' },
      results: [played],
      context: peer,
      effects: [{ kind: 'play', prompt: { text: 'Hi 200', voice: 'v', language: 'en' } }],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'a missing sound',
      step: { type: 'play', prompts: ['a', 'b'], next: 'next' },
      results: [failed],
      effects: [{ kind: 'play' }],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'a sound’s name that leads elsewhere',
      step: { type: 'play', prompts: ['{{ lead.peer }}'], next: 'next' },
      context: { lead: { peer: '../etc/passwd' } },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
  ],
  say: [
    {
      what: 'digits',
      step: { type: 'say', as: 'digits', value: '{{ call.dnid }}', next: 'next' },
      results: [played],
      effects: [{ kind: 'say', as: 'digits', value: '8000', interrupt_digits: '' }],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'a number',
      step: { type: 'say', as: 'number', value: ' -007 ', next: 'next' },
      results: [played],
      effects: [{ kind: 'say', as: 'number', value: '-7' }],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'letters',
      step: { type: 'say', as: 'letters', value: 'Zoë', next: 'next' },
      results: [played],
      effects: [{ kind: 'say', as: 'letters', value: 'Zoë' }],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'a date of epoch seconds, in the organization’s zone',
      step: { type: 'say', as: 'date', value: '86400.9', next: 'next' },
      results: [played],
      context: { timezone: 'Europe/Vienna' },
      effects: [{ kind: 'say', as: 'date', value: '86400', timezone: 'Europe/Vienna' }],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'a time in RFC 3339',
      step: { type: 'say', as: 'time', value: '1970-01-02T01:00:00+01:00', next: 'next' },
      results: [played],
      effects: [{ kind: 'say', as: 'time', value: '86400' }],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'a timestamp of the call',
      step: { type: 'say', as: 'datetime', value: '{{ call.started_at }}', next: 'next' },
      results: [played],
      effects: [{ kind: 'say', value: String(facts.started_at_ms / 1000) }],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'a key interrupts',
      step: { type: 'say', as: 'digits', value: '1', interrupt_digits: '#', ...to('done', 'digit') },
      results: [{ kind: 'played', digit: '#' }],
      outcome: 'digit',
      leadsTo: 'next',
    },
    {
      what: 'no date',
      step: { type: 'say', as: 'date', value: 'tomorrow', next: 'next' },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'no digits',
      step: { type: 'say', as: 'digits', value: 'abc', next: 'next' },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'no number',
      step: { type: 'say', as: 'number', value: '1.5', next: 'next' },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'what would end a command',
      step: { type: 'say', as: 'phonetic', value: 'a"b', next: 'next' },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'a failing channel',
      step: { type: 'say', as: 'digits', value: '1', next: 'next' },
      results: [failed],
      outcome: 'error',
      leadsTo: 'error',
    },
  ],
  gather: [
    {
      what: 'a key that is wired',
      step: gather(),
      results: [keyed('1')],
      effects: [gatherEffect],
      outcome: '1',
      detail: [{ ...gatherEffect, digits: '1', ended_by: 'max_digits' }],
      leadsTo: 'one',
    },
    {
      what: 'a key that is not, with match',
      step: gather({}, { match: 'next' }),
      results: [keyed('2')],
      outcome: 'match',
      leadsTo: 'next',
    },
    {
      what: 'a key before match',
      step: gather({}, { match: 'next' }),
      results: [keyed('1')],
      outcome: '1',
      leadsTo: 'one',
    },
    {
      what: 'match by next',
      step: { type: 'gather', next: 'one', ...to('timeout', 'invalid') },
      results: [keyed('7')],
      outcome: 'match',
      leadsTo: 'one',
    },
    { what: 'a key that is not wired', step: gather(), results: [keyed('2')], outcome: 'invalid', leadsTo: 'next' },
    { what: 'silence', step: gather(), results: [silence], outcome: 'timeout', leadsTo: 'next' },
    {
      what: 'the terminator alone',
      step: gather(),
      results: [{ kind: 'gathered', digits: '', ended_by: 'terminator' }],
      outcome: 'invalid',
      leadsTo: 'next',
    },
    {
      what: 'too few keys',
      step: gather({ min_digits: 2, max_digits: 4 }, { match: 'one' }),
      results: [{ kind: 'gathered', digits: '1', ended_by: 'timeout' }],
      outcome: 'invalid',
      leadsTo: 'next',
    },
    {
      what: 'several attempts, the last one good',
      step: gather({ attempts: 3, prompts: ['p'] }),
      results: [silence, keyed('9'), keyed('1')],
      effects: [{ prompts: [{ sound: 'p' }] }, { prompts: [{ sound: 'p' }] }, { prompts: [{ sound: 'p' }] }],
      outcome: '1',
      leadsTo: 'one',
    },
    {
      what: 'several attempts, none good',
      step: gather({ attempts: 2 }),
      results: [keyed('9'), silence],
      effects: [gatherEffect, gatherEffect],
      outcome: 'timeout',
      leadsTo: 'next',
    },
    {
      what: 'accept says yes',
      step: gather({ max_digits: 2, accept: 'int(input.digits) > 20' }, { match: 'one' }),
      results: [keyed('21')],
      outcome: 'match',
      leadsTo: 'one',
    },
    {
      what: 'accept says no',
      step: gather({ max_digits: 2, accept: 'int(input.digits) > 20' }, { match: 'one' }),
      results: [keyed('20')],
      outcome: 'invalid',
      leadsTo: 'next',
    },
    {
      what: 'accept cannot be computed',
      step: gather({ accept: 'int(input.digits) > 0' }),
      results: [keyed('*')],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'a word, whatever its case',
      step: gather({ input: ['digits', 'speech'] }, { 'Yes please': 'one' }),
      results: [said('yes PLEASE ')],
      effects: [{ speech: true }],
      outcome: 'Yes please',
      leadsTo: 'one',
    },
    {
      what: 'another word',
      step: gather({ input: ['speech'] }, { yes: 'one' }),
      results: [said('no')],
      outcome: 'invalid',
      leadsTo: 'next',
    },
    {
      what: 'a failing channel',
      step: gather({ attempts: 3 }),
      results: [failed],
      effects: [gatherEffect],
      outcome: 'error',
      leadsTo: 'error',
    },
  ],
  record: [
    {
      what: 'with the defaults',
      step: { type: 'record', name: 'calls/{{ call.id }}', next: 'next' },
      results: [recorded],
      effects: [
        {
          kind: 'record',
          name: `calls/${facts.id}`,
          format: 'wav',
          max_seconds: 60,
          silence_seconds: 3,
          beep: true,
          stop_digits: '#',
        },
      ],
      outcome: 'done',
      detail: [{ kind: 'record', file: '/r/a.wav', duration_ms: 1500, ended_by: 'silence' }],
      leadsTo: 'next',
    },
    {
      what: 'a name that leads elsewhere',
      step: { type: 'record', name: '{{ lead.peer }}', next: 'next' },
      context: { lead: { peer: 'a/../../b' } },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'a disk that is full',
      step: { type: 'record', name: 'a', next: 'next' },
      results: [failed],
      outcome: 'error',
      leadsTo: 'error',
    },
  ],
  wait: [
    {
      what: 'waited',
      step: { type: 'wait', ms: 250, next: 'next' },
      results: [done],
      effects: [{ kind: 'wait', ms: 250 }],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'a failing channel',
      step: { type: 'wait', ms: 250, next: 'next' },
      results: [failed],
      outcome: 'error',
      leadsTo: 'error',
    },
  ],
  set: [
    {
      what: 'variables alone need no effect',
      step: { type: 'set', values: { x: '1' }, next: 'next' },
      effects: [],
      outcome: 'done',
      detail: [],
      leadsTo: 'next',
    },
    {
      what: 'channel variables, with the values just set',
      step: { type: 'set', values: { x: '2 + 3' }, channel: { A: 'x={{ vars.x }}', B: 'b' }, next: 'next' },
      results: [done],
      effects: [
        {
          kind: 'channel',
          variables: [
            { name: 'A', value: 'x=5' },
            { name: 'B', value: 'b' },
          ],
        },
      ],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'a value that cannot be computed',
      step: { type: 'set', values: { x: 'int(lead.none)' }, next: 'next' },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'a value that cannot be kept',
      step: { type: 'set', values: { x: "bytes('a')" }, next: 'next' },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'a failing channel',
      step: { type: 'set', channel: { A: 'a' }, next: 'next' },
      results: [failed],
      outcome: 'error',
      leadsTo: 'error',
    },
  ],
  branch: [
    {
      what: 'the first case that is true',
      step: {
        type: 'branch',
        cases: [
          { when: 'false', next: 'next' },
          { when: "lead.peer == '200'", next: 'one' },
          { when: 'true', next: 'next' },
        ],
        else: 'next',
      },
      context: peer,
      outcome: 'one',
      leadsTo: 'one',
    },
    {
      what: 'no case',
      step: { type: 'branch', cases: [{ when: 'false', next: 'one' }], else: 'next' },
      outcome: 'next',
      leadsTo: 'next',
    },
    {
      what: 'a condition that cannot be computed',
      step: { type: 'branch', cases: [{ when: 'int(lead.none) > 1', next: 'one' }], else: 'next' },
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'a condition that is no truth, wired',
      step: { type: 'branch', cases: [{ when: 'lead.peer', next: 'one' }], else: 'one', ...to('error') },
      context: peer,
      outcome: 'error',
      leadsTo: 'next',
    },
  ],
  split: [
    {
      what: 'the arm with all the weight',
      step: {
        type: 'split',
        arms: [
          { name: 'a', weight: 0, next: 'next' },
          { name: 'b', weight: 3, next: 'one' },
          { name: 'c', weight: 0, next: 'next' },
        ],
      },
      outcome: 'b',
      leadsTo: 'one',
    },
  ],
  webhook: [
    {
      what: '2xx',
      step: { ...hook, next: 'next' },
      results: [answer(204)],
      effects: [
        {
          kind: 'http',
          method: 'GET',
          url: `https://x.example/${facts.id}`,
          headers: {},
          timeout_ms: 2000,
          retries: 0,
        },
      ],
      outcome: 'ok',
      detail: [
        {
          kind: 'http',
          method: 'GET',
          url: `https://x.example/${facts.id}`,
          headers: {},
          timeout_ms: 2000,
          status: 204,
        },
      ],
      leadsTo: 'next',
    },
    {
      what: 'a body makes it a POST',
      step: { ...hook, body: { a: ['{{ lead.peer }}', 1, null, true] }, timeout_ms: 50, retries: 3, next: 'next' },
      results: [answer(200)],
      context: peer,
      effects: [{ method: 'POST', body: '{"a":["200",1,null,true]}', timeout_ms: 50, retries: 3 }],
      outcome: 'ok',
      leadsTo: 'next',
    },
    {
      what: 'another status',
      step: { ...hook, next: 'next' },
      results: [answer(302)],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'another status, wired',
      step: { ...hook, ...to('ok', 'error') },
      results: [answer(500)],
      outcome: 'error',
      detail: [{ status: 500 }],
      leadsTo: 'next',
    },
    {
      what: 'no answer in time is an error',
      step: { ...hook, next: 'next' },
      results: [{ kind: 'timeout' }],
      outcome: 'error',
      detail: [{ failed: 'timeout' }],
      leadsTo: 'error',
    },
    {
      what: 'no answer in time goes to the step’s error',
      step: { ...hook, ...to('ok'), on: { ok: 'one', error: 'next' } },
      results: [{ kind: 'timeout' }],
      outcome: 'error',
      leadsTo: 'next',
    },
    {
      what: 'no answer in time, wired',
      step: { ...hook, on: { ok: 'one', timeout: 'next' } },
      results: [{ kind: 'timeout' }],
      outcome: 'timeout',
      leadsTo: 'next',
    },
    {
      what: 'no connection',
      step: { ...hook, on: { ok: 'one', timeout: 'one' } },
      results: [failed],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'what cannot be saved',
      step: { ...hook, save: { x: 'input.response.body.none' }, next: 'next' },
      results: [answer(200)],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'an answer that is too long',
      step: { ...hook, next: 'next' },
      results: [answer(200, { a: 'x'.repeat(70_000) })],
      outcome: 'error',
      leadsTo: 'error',
    },
  ],
  exec: [
    {
      what: 'done',
      step: { type: 'exec', application: 'NoOp', arguments: ['a,b', '{{ lead.peer }}'], next: 'next' },
      results: [done],
      context: peer,
      effects: [{ kind: 'exec', application: 'NoOp', arguments: ['a,b', '200'] }],
      outcome: 'done',
      leadsTo: 'next',
    },
    {
      what: 'a failing application is an error',
      step: { type: 'exec', application: 'NoOp', next: 'next' },
      results: [failed],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'a failing application, wired',
      step: { type: 'exec', application: 'NoOp', ...to('done', 'failed') },
      results: [failed],
      outcome: 'failed',
      leadsTo: 'next',
    },
    {
      what: 'a missing application is an error',
      step: { type: 'exec', application: 'NoOp', next: 'next' },
      results: [{ kind: 'unavailable' }],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'a missing application, wired',
      step: { type: 'exec', application: 'NoOp', ...to('done', 'unavailable') },
      results: [{ kind: 'unavailable' }],
      outcome: 'unavailable',
      detail: [{ failed: 'unavailable' }],
      leadsTo: 'next',
    },
    {
      what: 'one that is allowed no more',
      step: { type: 'exec', application: 'NoOp', ...to('done', 'unavailable') },
      context: { exec_allow: ['Echo'] },
      effects: [],
      outcome: 'unavailable',
      leadsTo: 'next',
    },
    {
      what: 'one that is allowed, whatever its case',
      step: { type: 'exec', application: 'noop', next: 'next' },
      results: [done],
      context: { exec_allow: ['NoOp'] },
      outcome: 'done',
      leadsTo: 'next',
    },
  ],
  amd: [
    {
      what: 'a human',
      step: { type: 'amd', greeting_ms: 1500, maximum_number_of_words: 3, ...to('human', 'machine') },
      results: [detected('human')],
      effects: [{ kind: 'amd', settings: [null, 1500, null, null, null, null, 3, null, null] }],
      outcome: 'human',
      leadsTo: 'next',
    },
    {
      what: 'a machine',
      step: { type: 'amd', on: { human: 'one', machine: 'next' } },
      results: [{ kind: 'detected', result: 'machine', cause: 'LONGGREETING' }],
      outcome: 'machine',
      detail: [{ kind: 'amd', result: 'machine', cause: 'LONGGREETING' }],
      leadsTo: 'next',
    },
    {
      what: 'unsure counts as human',
      step: { type: 'amd', on: { human: 'one', machine: 'next' } },
      results: [detected('unsure')],
      outcome: 'unsure',
      leadsTo: 'one',
    },
    {
      what: 'unsure, wired',
      step: { type: 'amd', on: { human: 'one', machine: 'one', unsure: 'next' } },
      results: [detected('unsure')],
      outcome: 'unsure',
      leadsTo: 'next',
    },
    {
      what: 'no detector',
      step: { type: 'amd', on: { human: 'one', machine: 'one' } },
      results: [failed],
      outcome: 'error',
      leadsTo: 'error',
    },
  ],
  transfer: [
    {
      what: 'into the dialplan',
      step: { type: 'transfer', to: { context: 'default', extension: '{{ lead.peer }}' } },
      results: [done],
      context: peer,
      effects: [{ kind: 'transfer', target: { kind: 'dialplan', context: 'default', extension: '200', priority: 1 } }],
      outcome: 'transferred',
      detail: [{ kind: 'transfer', context: 'default', extension: '200', priority: 1 }],
    },
    {
      what: 'into the dialplan, refused',
      step: { type: 'transfer', to: { context: 'default', extension: '1' } },
      results: [failed],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'to an address that would end a command',
      step: { type: 'transfer', to: { context: 'default', extension: '{{ lead.peer }}' } },
      context: { lead: { peer: '1,2\n' } },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'to an in-group of VICIdial',
      step: { type: 'transfer', to: { ingroup: 'SALES' } },
      results: [done],
      context: { lead: { id: '77', user: 'ag"1' } },
      effects: [
        {
          kind: 'transfer',
          target: {
            kind: 'dialplan',
            context: 'default',
            extension: '90009*SALES**77**15550100*ag1*',
            priority: 1,
            ingroup: 'SALES',
          },
        },
      ],
      outcome: 'transferred',
    },
    {
      what: 'to an in-group without a lead',
      step: { type: 'transfer', to: { ingroup: 'SALES' } },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
    ...(['answered', 'busy', 'no_answer', 'failed'] as const).map((status) => ({
      what: `dialled: ${status}`,
      step: { ...dial, ...to('answered', 'busy', 'no_answer', 'failed') },
      results: [dialled(status)],
      context: peer,
      effects: [{ kind: 'transfer', target: { kind: 'dial', dial: 'SIP/200', timeout_seconds: 30 } }],
      outcome: status,
      detail: [{ kind: 'transfer', dial: 'SIP/200', status }],
      leadsTo: 'next',
    })),
    {
      what: 'a dial that cannot be made',
      step: { ...dial, ...to('answered', 'busy', 'no_answer', 'failed') },
      results: [failed],
      context: peer,
      outcome: 'error',
      leadsTo: 'error',
    },
  ],
  dispose: [
    {
      what: 'needs no effect',
      step: { type: 'dispose', disposition: 'DNC', comment: '{{ lead.peer }}', next: 'next' },
      context: peer,
      effects: [],
      outcome: 'done',
      detail: [],
      leadsTo: 'next',
    },
    {
      what: 'a comment that cannot be printed',
      step: { type: 'dispose', disposition: 'DNC', comment: '{{ lead.none }}', next: 'next' },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
  ],
  hangup: [
    {
      what: 'hung up',
      step: { type: 'hangup' },
      results: [done],
      effects: [{ kind: 'hangup' }],
      outcome: 'completed',
      detail: [{ kind: 'hangup' }],
    },
    {
      what: 'with a cause',
      step: { type: 'hangup', cause: 17 },
      results: [done],
      effects: [{ kind: 'hangup', cause: 17 }],
      outcome: 'completed',
    },
    { what: 'that fails', step: { type: 'hangup' }, results: [failed], outcome: 'error', leadsTo: 'error' },
  ],
  return: [
    { what: 'at once', step: { type: 'return' }, effects: [], outcome: 'completed', detail: [] },
    {
      what: 'with variables',
      step: { type: 'return', variables: { R: '{{ lead.peer }}' } },
      results: [done],
      context: peer,
      effects: [{ kind: 'channel', variables: [{ name: 'R', value: '200' }] }],
      outcome: 'completed',
    },
    {
      what: 'with variables that cannot be printed',
      step: { type: 'return', variables: { R: '{{ lead.none }}' } },
      effects: [],
      outcome: 'error',
      leadsTo: 'error',
    },
    {
      what: 'with variables that cannot be written',
      step: { type: 'return', variables: { R: 'x' }, on: { error: 'next' } },
      results: [failed],
      outcome: 'error',
      leadsTo: 'next',
    },
  ],
};

/** Plays one case: the steps around it wait, so that where the call goes shows. */
function playCase({ step, results = [], context = {} }: StepCase): Played {
  const script = scriptOf(
    {
      subject: step,
      next: { type: 'wait', ms: 1, next: 'end' },
      one: { type: 'wait', ms: 1, next: 'end' },
      error: { type: 'wait', ms: 1, next: 'end' },
      end: { type: 'return' },
    },
    { on_error: 'error' },
  );
  return play(script, results, { ...bare, ...context });
}

describe.each(Object.keys(STEP_TYPES) as (keyof typeof STEP_TYPES)[])('a step of type %s', (type) => {
  it.each(CASES[type])('$what: $outcome', (testCase) => {
    const { records, effects, last, state } = playCase(testCase);
    const [record] = records;
    expect(records.length).toBe(1);
    expect(record).toMatchObject({ seq: 0, step: 'subject', type, outcome: testCase.outcome, at_ms: 0 });
    expect(record?.duration_ms).toBe((testCase.results?.length ?? 0) * 100);
    if (testCase.detail) expect(record?.detail).toMatchObject(testCase.detail);
    const own = testCase.leadsTo === undefined ? effects : effects.slice(0, -1);
    if (testCase.effects) expect(own).toMatchObject(testCase.effects);
    if (testCase.leadsTo === undefined) expect(last.end?.outcome).toBe(testCase.outcome);
    else expect(state['step']).toBe(testCase.leadsTo);
  });

  it('has a case for each of its outcomes, and for an error where it can fail', () => {
    const seen = new Set(CASES[type].map(({ outcome }) => outcome));
    const expected = [...STEP_TYPES[type].outcomes.map(({ name }) => name), ...(type === 'split' ? [] : ['error'])];
    expect(expected.filter((outcome) => !seen.has(outcome))).toEqual([]);
  });
});

describe('the cases above', () => {
  it('ask for every kind of effect and bring every kind of result', () => {
    const kinds: { readonly [K in EffectKind]: true } = {
      answer: true,
      play: true,
      say: true,
      gather: true,
      record: true,
      wait: true,
      channel: true,
      http: true,
      exec: true,
      amd: true,
      transfer: true,
      hangup: true,
    };
    const results: { readonly [K in EffectResult['kind']]: true } = {
      done: true,
      played: true,
      gathered: true,
      recorded: true,
      response: true,
      timeout: true,
      detected: true,
      dialled: true,
      unavailable: true,
      failed: true,
    };
    const all = Object.values(CASES).flat();
    const asked = new Set(all.flatMap((testCase) => playCase(testCase).effects.map(({ kind }) => kind)));
    const brought = new Set(all.flatMap((testCase) => (testCase.results ?? []).map(({ kind }) => kind)));
    expect([...asked].sort()).toEqual(Object.keys(kinds).sort());
    expect([...brought].sort()).toEqual(Object.keys(results).sort());
  });
});

const wait = (next: string) => ({ type: 'wait', ms: 1, next });
const end = { type: 'return' };
const stepsOf = ({ records }: Played) => records.map(({ step, outcome }) => `${step} ${outcome}`);

describe('an error', () => {
  it('with nothing wired ends the call as failed, and says which step and why', () => {
    const { last } = play(scriptOf({ a: wait('end'), end }), [failed]);
    expect(last.end).toEqual({ outcome: 'failed', reason: 'step "a": it broke' });
  });

  it('in on_error itself ends the call as failed instead of going round', () => {
    const script = scriptOf({ a: wait('end'), sorry: wait('end'), end }, { on_error: 'sorry' });
    const call = play(script, [failed, failed]);
    expect(stepsOf(call)).toEqual(['a error', 'sorry error']);
    expect(call.last.end).toEqual({ outcome: 'failed', reason: 'step "sorry": it broke' });
  });

  it('in a later step of on_error is an error of its own once something has gone well', () => {
    const script = scriptOf({ a: wait('end'), sorry: wait('b'), b: wait('end'), end }, { on_error: 'sorry' });
    expect(stepsOf(play(script, [failed, done, failed, failed]))).toEqual([
      'a error',
      'sorry done',
      'b error',
      'sorry error',
    ]);
  });

  it('that is computed without ever waiting still ends', () => {
    const broken = { type: 'dispose', disposition: 'X', comment: '{{ lead.none }}', next: 'end' };
    const { last } = play(scriptOf({ a: broken, sorry: broken, end }, { on_error: 'sorry' }));
    expect(last.end).toMatchObject({ outcome: 'failed' });
  });

  it('keeps what was disposed before', () => {
    const script = scriptOf({ d: { type: 'dispose', disposition: 'SALE', next: 'a' }, a: wait('end'), end });
    expect(play(script, [failed]).last.end).toMatchObject({ outcome: 'failed', disposition: 'SALE' });
  });
});

describe('a caller who hangs up', () => {
  it('ends a script without on_hangup at once', () => {
    const call = play(scriptOf({ a: wait('end'), end }), ['hangup']);
    expect(stepsOf(call)).toEqual(['a hangup']);
    expect(call.last.end).toEqual({ outcome: 'caller_hangup' });
  });

  it('lets on_hangup run: steps that need a channel are skipped, the others play', () => {
    const script = scriptOf(
      {
        a: wait('end'),
        h1: { type: 'play', prompts: ['x'], next: 'h2' },
        h2: { type: 'gather', on: { '1': 'h3', timeout: 'h3', invalid: 'h3' } },
        h3: { type: 'dispose', disposition: 'AB', next: 'h4' },
        h4: { type: 'webhook', url: 'https://x.example', next: 'h5' },
        h5: { type: 'amd', on: { human: 'h6', machine: 'end' } },
        h6: { type: 'hangup', disposition: 'GONE' },
        end,
      },
      { on_hangup: 'h1' },
    );
    const call = play(script, ['hangup', answer(200)]);
    expect(stepsOf(call)).toEqual([
      'a hangup',
      'h1 skipped',
      'h2 skipped',
      'h3 done',
      'h4 ok',
      'h5 skipped',
      'h6 completed',
    ]);
    expect(call.effects.map(({ kind }) => kind)).toEqual(['wait', 'http']);
    expect(call.last.end).toEqual({ outcome: 'caller_hangup', disposition: 'GONE' });
  });

  it.each(Object.entries(STEP_TYPES).filter(([type, { live }]) => live && type !== 'transfer'))(
    'skips a %s',
    (type) => {
      const subject = CASES[type as keyof typeof CASES][0]?.step ?? {};
      const steps = { a: wait('end'), subject, next: end, one: end, end };
      const call = play(scriptOf(steps, { on_hangup: 'subject' }), ['hangup']);
      expect(call.records[1]).toMatchObject({ step: 'subject', outcome: 'skipped', detail: [] });
      expect(call.last.end?.outcome).toBe('caller_hangup');
    },
  );

  it('ends at a transfer, which nobody is there for', () => {
    const script = scriptOf(
      { a: wait('end'), h: { type: 'transfer', to: { context: 'c', extension: '1' }, disposition: 'XFER' }, end },
      { on_hangup: 'h' },
    );
    const call = play(script, ['hangup']);
    expect(stepsOf(call)).toEqual(['a hangup', 'h skipped']);
    expect(call.last.end).toEqual({ outcome: 'caller_hangup' });
  });

  it('ends a round of skipped steps by max_steps, still as caller_hangup', () => {
    const script = scriptOf({ a: wait('end'), h: wait('h'), end }, { on_hangup: 'h', limits: { max_steps: 5 } });
    expect(play(script, ['hangup']).last.end?.outcome).toBe('caller_hangup');
  });

  it('leaves what was recorded until then to on_hangup', () => {
    const script = scriptOf(
      {
        a: { type: 'record', name: 'a', save: 'taken', next: 'end' },
        h: {
          type: 'dispose',
          disposition: 'MSG',
          comment: '{{ input.recording.file }} {{ vars.taken.duration_ms }}',
          next: 'end',
        },
        end,
      },
      { on_hangup: 'h' },
    );
    const { state } = play(script);
    const event: CallEvent = { kind: 'hangup', at_ms: 5, result: { ...recorded, ended_by: 'hangup' } as EffectResult };
    const turn = advance(script, bare, state, event);
    expect(turn.end).toEqual({ outcome: 'caller_hangup', disposition: 'MSG', comment: '/r/a.wav 1500' });
    expect(turn.finished[0]).toMatchObject({ outcome: 'hangup', detail: [{ kind: 'record', ended_by: 'hangup' }] });
  });

  it('after having been put through keeps the disposition of the transfer', () => {
    const script = scriptOf({
      a: { ...dial, disposition: 'XFER', ...to('answered', 'busy', 'no_answer', 'failed') },
      next: end,
    });
    const context = { ...bare, ...peer };
    const turn = advance(script, context, play(script, [], context).state, {
      kind: 'hangup',
      at_ms: 9,
      result: dialled('answered'),
    });
    expect(turn.end).toEqual({ outcome: 'caller_hangup', disposition: 'XFER' });
  });

  it('as the script hangs up, or transfers, is what the script wanted', () => {
    const hungUp = play(scriptOf({ a: { type: 'hangup', disposition: 'NI' } }), ['hangup']);
    expect(hungUp.last.end).toEqual({ outcome: 'completed', disposition: 'NI' });
    const script = scriptOf({ a: { type: 'transfer', to: { context: 'c', extension: '1' }, disposition: 'XFER' } });
    const turn = advance(script, bare, play(script).state, { kind: 'hangup', at_ms: 1, result: done });
    expect(turn.end).toEqual({ outcome: 'transferred', disposition: 'XFER' });
  });

  it('twice is gone once', () => {
    const script = scriptOf(
      { a: wait('end'), h: { type: 'webhook', url: 'https://x.example', next: 'end' }, end },
      { on_hangup: 'h' },
    );
    const call = play(script, ['hangup', 'hangup']);
    expect(stepsOf(call)).toEqual(['a hangup', 'h error']);
    expect(call.last.end?.outcome).toBe('caller_hangup');
  });
});

describe('limits', () => {
  it('max_call_seconds ends the call as limit, in the middle of what runs', () => {
    const script = scriptOf({ d: { type: 'dispose', disposition: 'NI', next: 'a' }, a: wait('end'), end });
    const call = play(script, ['limit']);
    expect(stepsOf(call)).toEqual(['d done', 'a limit']);
    expect(call.records[1]?.detail).toEqual([{ kind: 'wait', ms: 1 }]);
    expect(call.last.end).toEqual({
      outcome: 'limit',
      disposition: 'NI',
      reason: 'max_call_seconds (3600) is over',
    });
  });

  it('max_steps without input from the caller end the call as failed', () => {
    const script = scriptOf({ a: wait('b'), b: wait('a') }, { limits: { max_steps: 3 } });
    const call = play(script, [done, done, done]);
    expect(stepsOf(call)).toEqual(['a done', 'b done', 'a done']);
    expect(call.last.end).toEqual({ outcome: 'failed', reason: '3 steps without input from the caller' });
  });

  const menu = { type: 'gather', on: { match: 'menu', timeout: 'menu', invalid: 'menu' } };
  it.each([
    ['a key', menu, keyed('1')],
    ['a key that is not good', { ...menu, accept: 'false' }, keyed('1')],
    ['speech', { ...menu, input: ['speech'] }, said('yes')],
    ['a recording', { type: 'record', name: 'a', next: 'menu' }, recorded],
    ['a key that interrupts', { type: 'play', prompts: ['x'], next: 'menu' }, { kind: 'played', digit: '1' } as const],
  ])('%s begins the count of steps anew', (_, step, result) => {
    const script = scriptOf({ menu: step }, { limits: { max_steps: 3 } });
    expect(
      play(
        script,
        Array.from({ length: 20 }, () => result),
      ).last.end,
    ).toBeUndefined();
  });

  it.each([
    ['a gather that times out', menu, silence],
    ['a webhook that answers', { type: 'webhook', url: 'https://x.example', next: 'menu' }, answer(200)],
  ])('%s does not', (_, step, result) => {
    const script = scriptOf({ menu: step }, { limits: { max_steps: 3 } });
    expect(play(script, [result, result, result]).last.end).toMatchObject({ outcome: 'failed' });
  });

  it('a clock that goes back makes no step shorter than nothing', () => {
    const script = scriptOf({ a: wait('b'), b: wait('end'), end });
    const first = advance(script, bare, start(script, bare, 500).state, { kind: 'result', at_ms: 400, result: done });
    expect(first.finished[0]).toMatchObject({ at_ms: 500, duration_ms: 0 });
  });
});

describe('what a call is disposed as', () => {
  it('is what the last step said, with comment and fields', () => {
    const script = scriptOf({
      a: { type: 'dispose', disposition: 'A', comment: 'first', fields: { x: '1', y: '1' }, next: 'b' },
      b: { type: 'dispose', disposition: 'B', comment: 'c{{ 1 + 1 }}', fields: { y: '{{ call.dnid }}' }, next: 'end' },
      end,
    });
    expect(play(script).last.end).toEqual({
      outcome: 'completed',
      disposition: 'B',
      comment: 'c2',
      fields: { x: '1', y: '8000' },
    });
  });

  it.each([
    ['hangup', { type: 'hangup', disposition: 'Z' }, [done]],
    ['return', { type: 'return', disposition: 'Z' }, []],
    ['transfer', { type: 'transfer', to: { context: 'c', extension: '1' }, disposition: 'Z' }, [done]],
  ])('can come from a %s at the end', (_, last, results) => {
    const script = scriptOf({ a: { type: 'dispose', disposition: 'A', next: 'b' }, b: last });
    expect(play(script, results).last.end?.disposition).toBe('Z');
  });

  it('stays as it was where the end says nothing, or the transfer fails', () => {
    const script = scriptOf({ a: { type: 'dispose', disposition: 'A', next: 'b' }, b: { type: 'return' } });
    expect(play(script).last.end?.disposition).toBe('A');
    const busy = scriptOf({
      a: { ...dial, disposition: 'XFER', ...to('answered', 'busy', 'no_answer', 'failed') },
      next: end,
    });
    expect(play(busy, [dialled('busy')], { ...bare, ...peer }).last.end).toEqual({ outcome: 'completed' });
  });
});

describe('a secret', () => {
  const context: CallContext = {
    ...bare,
    secrets: new Map([
      ['token', 's3cret'],
      ['n', 'abc'],
    ]),
  };
  const step = {
    type: 'webhook',
    url: 'https://x.example/?t={{ secret.token }}',
    headers: { Authorization: 'Bearer {{ secret.token }}' },
    body: { deep: ['{{ secret.token + "!" }}'] },
    next: 'end',
  };

  it('reaches the request, and no record and no state', () => {
    const call = play(scriptOf({ a: step, end }), [], context);
    expect(call.effects[0]).toMatchObject({
      url: 'https://x.example/?t=s3cret',
      headers: { Authorization: 'Bearer s3cret' },
      body: '{"deep":["s3cret!"]}',
      masked: {
        url: 'https://x.example/?t=***',
        headers: { Authorization: 'Bearer ***' },
        body: '{"deep":["***!"]}',
      },
    });
    expect(JSON.stringify(call.state)).not.toContain('s3cret');
    const after = play(scriptOf({ a: step, end }), [answer(200)], context);
    expect(after.records[0]?.detail).toMatchObject([{ headers: { Authorization: 'Bearer ***' }, status: 200 }]);
    expect(JSON.stringify([after.records, after.state])).not.toContain('s3cret');
  });

  it('is masked where a failure quotes it', () => {
    const refused: EffectResult = { kind: 'failed', reason: 'cannot reach https://x.example/?t=s3cret' };
    const call = play(scriptOf({ a: step, end }), [refused], context);
    expect(JSON.stringify([call.records, call.state, call.last.end])).not.toContain('s3cret');
    const converted = play(
      scriptOf({ a: { ...step, url: 'https://x.example/{{ int(secret.n) }}' }, end }),
      [],
      context,
    );
    expect(converted.last.end?.outcome).toBe('failed');
    expect(converted.last.end?.reason).not.toContain('abc');
  });

  it('is masked as a whole where it begins with another one, or has several lines of which a failure quotes the first', () => {
    const secrets = new Map([
      ['short', 's3c'],
      ['token', 's3cret'],
      ['n', 'first line\nsecond line'],
    ]);
    const refused: EffectResult = { kind: 'failed', reason: 'cannot reach s3cret' };
    const call = play(scriptOf({ a: step, end }), [refused], { ...bare, secrets });
    expect(JSON.stringify(call.last.end)).not.toContain('ret');
    for (const url of ['https://x.example/{{ int(secret.n) }}', 'https://x.example/{{ timestamp(secret.n) }}']) {
      const converted = play(scriptOf({ a: { ...step, url }, end }), [], { ...bare, secrets });
      expect(converted.last.end).toMatchObject({ outcome: 'failed', reason: expect.any(String) });
      expect(JSON.stringify(converted.last.end)).not.toContain('line');
    }
  });

  it('that is computed with hinders nothing although a mask cannot be computed with', () => {
    const url = 'https://x.example/{{ int(secret.token) + 1 }}';
    const call = play(scriptOf({ a: { type: 'webhook', url, next: 'end' }, end }), [], {
      ...bare,
      secrets: new Map([['token', '41']]),
    });
    expect(call.effects[0]).toMatchObject({ url: 'https://x.example/42', masked: { url: '***' } });
  });

  it('is masked where an answer brings it back and the script says or notes it', () => {
    const echo = {
      a: { ...step, save: { v: 'input.response.body.echo' }, next: 'b' },
      b: { type: 'say', as: 'letters', value: '{{ vars.v }}', next: 'c' },
      c: { type: 'dispose', disposition: 'X', comment: 'got {{ vars.v }}', fields: { f: '{{ vars.v }}' }, next: 'end' },
      end,
    };
    const echoed: EffectResult = { kind: 'response', status: 200, headers: {}, body: { echo: 's3cret' } };
    const script = scriptOf(echo, { variables: { v: { type: 'string', default: '' } } });
    const call = play(script, [echoed, { kind: 'played' }], context);
    expect(call.last.end).toMatchObject({ outcome: 'completed', comment: 'got ***', fields: { f: '***' } });
    expect(JSON.stringify([call.records, call.last.end])).not.toContain('s3cret');
  });

  it('that is not there is an error of the step', () => {
    expect(play(scriptOf({ a: step, end })).last.end).toMatchObject({ outcome: 'failed' });
  });
});

describe('a variable', () => {
  const variablesOf = (variable: object, context: Partial<CallContext>): unknown => {
    const script = scriptOf({ a: wait('end'), end }, { variables: { v: variable } });
    const vars = start(script, { ...bare, ...context }).state['vars'];
    return vars !== null && typeof vars === 'object' && 'v' in vars ? vars['v'] : undefined;
  };
  const args = (v: string) => ({ facts: { ...facts, args: { v } } });

  it('starts as the first of the arguments, the lead, the campaign’s variables, its default', () => {
    const type = { type: 'string', default: 'd' };
    const all = { ...args('arg'), lead: { v: 'lead' }, variables: { v: 'campaign' } };
    expect(variablesOf(type, all)).toBe('arg');
    expect(variablesOf(type, { ...all, facts })).toBe('lead');
    expect(variablesOf(type, { variables: { v: 'campaign' } })).toBe('campaign');
    expect(variablesOf(type, {})).toBe('d');
  });

  it.each([
    ['string', ''],
    ['int', 0],
    ['double', { $double: 0 }],
    ['bool', false],
    ['list', []],
    ['map', {}],
  ])('of type %s is empty without any', (type, empty) => {
    expect(variablesOf({ type }, {})).toEqual(empty);
  });

  it.each([
    ['int', ' 42 ', 42],
    ['int', '-7', -7],
    ['int', '4.2', 9],
    ['int', '', 9],
    ['double', '4.5', 4.5],
    ['double', '4', { $double: 4 }],
    ['double', 'x', { $double: 9 }],
    ['bool', 'TRUE', true],
    ['bool', 'no', false],
    ['bool', 'maybe', true],
    ['string', '42', '42'],
  ])('of type %s reads the argument "%s", or passes it over', (type, text, value) => {
    const fallback = { int: 9, double: 9, bool: true, string: 'x' }[type];
    expect(variablesOf({ type, default: fallback }, args(text))).toEqual(value);
  });

  it.each([
    ['string', 5, '5'],
    ['int', '5', 5],
    ['int', 5.5, 0],
    ['double', 5, { $double: 5 }],
    ['list', [1, 'a'], [1, 'a']],
    ['list', { a: 1 }, []],
    ['map', { a: [1] }, { a: [1] }],
    ['map', { $int: 'x' }, { $map: { $int: 'x' } }],
    ['map', [1], {}],
  ])('of type %s takes %j of the campaign, or passes it over', (type, given, value) => {
    expect(variablesOf({ type }, { variables: { v: given } })).toEqual(value);
  });

  it('named like something that JavaScript’s objects have is as empty as any other', () => {
    const script = scriptOf(
      { a: wait('end'), end },
      { variables: { constructor: { type: 'string' }, toString: { type: 'int' } } },
    );
    expect(start(script, bare).state['vars']).toEqual({ constructor: '', toString: 0 });
  });

  it('keeps its type: what does not fit is an error, what can be read is read', () => {
    const assigned = (type: string, expression: string) => {
      const script = scriptOf(
        { s: { type: 'set', values: { v: expression }, on: { done: 'a', error: 'end' } }, a: wait('end'), end },
        { variables: { v: { type } } },
      );
      const { state, last } = play(script);
      return last.end ? 'error' : (state['vars'] as { v: unknown }).v;
    };
    expect(assigned('int', '3')).toBe(3);
    expect(assigned('int', "'3'")).toBe(3);
    expect(assigned('int', '3.5')).toBe('error');
    expect(assigned('double', '3')).toEqual({ $double: 3 });
    expect(assigned('string', '3')).toBe('error');
    expect(assigned('bool', "'yes'")).toBe(true);
    expect(assigned('list', '[1, 2]')).toEqual([1, 2]);
    expect(assigned('map', "{'a': 1}")).toEqual({ a: 1 });
    expect(assigned('map', 'now')).toBe('error');
  });

  it('is set beside others all at once: the order of names means nothing', () => {
    const values = { a: "vars.b + '1'", b: "vars.a + '2'" };
    const variables = { a: { type: 'string', default: 'a' }, b: { type: 'string', default: 'b' } };
    for (const ordered of [values, { b: values.b, a: values.a }]) {
      const script = scriptOf({ s: { type: 'set', values: ordered, next: 'w' }, w: wait('end'), end }, { variables });
      expect(play(script).state['vars']).toEqual({ a: 'b1', b: 'a2' });
    }
  });

  it('takes what a gather, a recording and a webhook bring', () => {
    const script = scriptOf({
      g: { type: 'gather', max_digits: 4, save: 'pin', next: 'r', ...to('timeout', 'invalid') },
      r: { type: 'record', name: 'a', save: 'message', next: 'w' },
      w: { type: 'webhook', url: 'https://x.example', save: { plan: 'input.response.body.plan' }, next: 'next' },
      next: wait('end'),
      end,
    });
    const { state } = play(script, [keyed('0042'), recorded, answer(200, { plan: 'gold' })]);
    expect(state['vars']).toEqual({
      pin: '0042',
      message: { file: '/r/a.wav', duration_ms: 1500, ended_by: 'silence' },
      plan: 'gold',
    });
  });
});

describe('what a script sees', () => {
  const shows = (
    expression: string,
    context: Partial<CallContext> = {},
    results: readonly EffectResult[] = [],
  ): unknown => {
    const script = scriptOf({
      menu: { type: 'gather', input: ['digits', 'speech'], next: 'd', on: { timeout: 'd', invalid: 'd' } },
      d: { type: 'dispose', disposition: 'X', comment: `{{ ${expression} }}`, next: 'end' },
      end,
    });
    const { last } = play(script, results.length > 0 ? results : [silence], { ...bare, ...context });
    return last.end?.comment ?? last.end?.reason;
  };

  it.each([
    ['call.id', facts.id],
    ['call.caller.name', 'Ann'],
    ['call.version + 1', '4'],
    ['call.started_at', '2026-01-02T03:04:05.000Z'],
    ['now - call.started_at < duration("1s")', 'true'],
    ['has(lead.none)', 'false'],
    ['has(input.digits)', 'false'],
  ])('%s is %s', (expression, value) => expect(shows(expression)).toBe(value));

  it('of arguments is their text, whatever it looks like', () => {
    const context = { facts: { ...facts, args: { $int: 'abc', n: '5' } } };
    expect(shows('call.args["$int"] + call.args.n', context)).toBe('abc5');
  });

  it('of an object’s own workings is nothing', () => {
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty'])
      expect(shows(`lead.${name}`), name).toMatch(/^step "d":/);
  });

  it('of the last gather is what that one brought, and nothing of an earlier one', () => {
    const script = scriptOf({
      a: { type: 'gather', input: ['speech'], next: 'b', on: { timeout: 'b', invalid: 'b' } },
      b: { type: 'gather', next: 'd', on: { timeout: 'd', invalid: 'd' } },
      d: { type: 'dispose', disposition: 'X', comment: '[{{ input.digits }}][{{ input.speech }}]', next: 'end' },
      end,
    });
    expect(play(script, [said('yes'), keyed('1')]).last.end?.comment).toBe('[1][]');
  });
});

describe('a split', () => {
  const script = scriptOf({
    s: {
      type: 'split',
      arms: [
        { name: 'a', weight: 1, next: 'end' },
        { name: 'b', weight: 3, next: 'end' },
      ],
    },
    end,
  });
  const armOf = (id: string) => play(script, [], { ...bare, facts: { ...facts, id } }).last.end?.arm;

  it('repeats for one call, and is recorded', () => {
    for (let call = 0; call < 50; call++) expect(armOf(`call-${call}`)).toBe(armOf(`call-${call}`));
  });

  it('takes each arm by its weight', () => {
    const arms = Array.from({ length: 4000 }, (_, call) => armOf(`0192c3a0-0000-7000-8000-${call}`));
    const share = arms.filter((arm) => arm === 'a').length / arms.length;
    expect(share).toBeGreaterThan(0.22);
    expect(share).toBeLessThan(0.28);
  });

  it('spreads over the whole of its range', () => {
    const points = Array.from({ length: 1000 }, (_, call) => fraction(`x/${call}`));
    expect(Math.min(...points)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...points)).toBeLessThan(1);
  });
});

describe('the steps of a call', () => {
  it('are numbered and timed from its start', () => {
    const script = scriptOf({ a: wait('b'), b: { type: 'set', values: { x: '1' }, next: 'c' }, c: wait('end'), end });
    const { records } = play(script, [done, done]);
    expect(records.map(({ seq, step, type, at_ms, duration_ms }) => [seq, step, type, at_ms, duration_ms])).toEqual([
      [0, 'a', 'wait', 0, 100],
      [1, 'b', 'set', 100, 0],
      [2, 'c', 'wait', 100, 100],
      [3, 'end', 'return', 200, 0],
    ]);
  });

  it('name the step’s type with each effect, for the turn’s metric', () => {
    expect(play(scriptOf({ a: wait('end'), end })).last.step_type).toBe('wait');
  });
});
