import type { ScriptDocument } from './schema/index.ts';

/**
 * The script of the first start: plays with the sounds of Asterisk's core English set alone, needs no network, and ends every
 * way of calling with a disposition.
 */
export const demoScript: ScriptDocument = {
  schema: 'voiceoi/script/v1',
  note: 'Press 1 to be put on the list, 2 to hear your number, 9 to be called no more.',
  entry: 'welcome',
  variables: {
    name: { type: 'string', default: 'caller', note: 'Comes with the call as an argument, or from the lead' },
  },
  limits: { max_call_seconds: 300, max_steps: 100 },
  on_error: 'sorry',
  on_hangup: 'left',
  steps: {
    welcome: { type: 'answer', next: 'greeting' },
    greeting: { type: 'play', prompts: ['hello-world'], next: 'menu' },
    menu: {
      type: 'gather',
      note: 'Press 1, 2 or 9',
      prompts: ['vm-press', 'digits/1', 'digits/2', 'digits/9'],
      max_digits: 1,
      timeout_ms: 5000,
      attempts: 2,
      on: { '1': 'known', '2': 'number', '9': 'optout', timeout: 'silent', invalid: 'silent' },
    },
    known: { type: 'branch', cases: [{ when: "call.caller.number != ''", next: 'congratulate' }], else: 'thank' },
    congratulate: {
      type: 'play',
      prompts: ['num-was-successfully', 'added'],
      interrupt_digits: '#',
      on: { done: 'interested', digit: 'interested' },
    },
    thank: { type: 'play', prompts: ['auth-thankyou'], next: 'interested' },
    interested: {
      type: 'dispose',
      disposition: 'SALE',
      comment: 'pressed 1',
      fields: { name: '{{ vars.name }}' },
      next: 'bye',
    },
    number: {
      type: 'say',
      as: 'digits',
      value: "{{ call.caller.number == '' ? '0' : call.caller.number }}",
      on: { done: 'menu', error: 'menu' },
    },
    optout: { type: 'dispose', disposition: 'DNC', comment: 'pressed 9', next: 'bye' },
    silent: { type: 'dispose', disposition: 'NI', next: 'bye' },
    bye: { type: 'play', prompts: ['vm-goodbye'], on: { done: 'end', error: 'end' } },
    sorry: { type: 'play', prompts: ['im-sorry'], on: { done: 'failed', error: 'failed' } },
    failed: { type: 'dispose', disposition: 'ERROR', next: 'end' },
    left: { type: 'dispose', disposition: 'AB', next: 'end' },
    end: { type: 'return' },
  },
};
