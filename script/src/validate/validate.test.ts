import { describe, expect, it } from 'vitest';
import { compile, demoScript, ERROR_CODES, STEP_TYPES, validate, WARNING_CODES } from '../index.ts';

const end = { type: 'return' };

/** A document that begins at its first step. */
function scriptOf(steps: { readonly [name: string]: unknown }, more: object = {}): object {
  return { schema: 'voiceoi/script/v1', entry: Object.keys(steps)[0], steps, ...more };
}

/** One step under test, beside an end that it can lead to. */
function stepOf(step: object, more: object = {}): object {
  return scriptOf({ a: step, end }, more);
}

/** The example of the specification, word for word. */
const EXAMPLE = {
  schema: 'voiceoi/script/v1',
  entry: 'welcome',
  variables: { plan: { type: 'string', default: 'basic' } },
  limits: { max_call_seconds: 600, max_steps: 500 },
  on_error: 'sorry',
  on_hangup: 'wrap_up',
  steps: {
    welcome: { type: 'answer', next: 'menu' },
    menu: {
      type: 'gather',
      prompts: ['voiceoi/menu'],
      max_digits: 1,
      timeout_ms: 5000,
      attempts: 2,
      on: { '1': 'qualify', '9': 'optout', timeout: 'bye', invalid: 'bye' },
    },
    qualify: {
      type: 'branch',
      cases: [{ when: "vars.plan == 'gold' || int(lead.age) >= 65", next: 'agent' }],
      else: 'bye',
    },
    agent: {
      type: 'transfer',
      to: { context: 'default', extension: '8300', priority: 1 },
      disposition: 'XFER',
    },
    optout: { type: 'dispose', disposition: 'DNC', next: 'bye' },
    sorry: { type: 'play', prompts: ['an-error-has-occurred'], next: 'bye' },
    bye: { type: 'hangup', disposition: 'NI' },
    wrap_up: { type: 'dispose', disposition: 'AB', next: 'end' },
    end: { type: 'return' },
  },
};

interface Case {
  readonly what: string;
  readonly document: unknown;
  readonly path: string;
  readonly message: RegExp;
}

const keyed = { '1': 'end', timeout: 'end', invalid: 'end' };
const play = (prompts: unknown): object => stepOf({ type: 'play', prompts, next: 'end' });
const transferTo = (to: unknown): object => stepOf({ type: 'transfer', to });
const branchOn = (when: string): object => stepOf({ type: 'branch', cases: [{ when, next: 'end' }], else: 'end' });
const set = (values: object, more: object = {}): object => stepOf({ type: 'set', values, next: 'end' }, more);

const ERROR_CASES: { readonly [C in (typeof ERROR_CODES)[number]]: readonly Case[] } = {
  SCHEMA: [
    { what: 'a document that is no object', document: 'hello', path: '', message: /a script is a JSON object/ },
    { what: 'a document that is a list', document: [], path: '', message: /a script is a JSON object/ },
    { what: 'no schema', document: { entry: 'a', steps: { a: end } }, path: '', message: /schema/ },
    {
      what: 'another version',
      document: scriptOf({ a: end }, { schema: 'voiceoi/script/v2' }),
      path: '/schema',
      message: /voiceoi\/script\/v1/,
    },
    {
      what: 'a field of the document that is not there',
      document: scriptOf({ a: end }, { onerror: 'a' }),
      path: '/onerror',
      message: /no field "onerror" here; did you mean "on_error"\?/,
    },
    { what: 'no steps', document: scriptOf({}, { entry: 'a' }), path: '/steps', message: /at least one step/ },
    {
      what: 'steps that are a list',
      document: scriptOf({}, { entry: 'a', steps: [] }),
      path: '/steps',
      message: /object/,
    },
    {
      what: 'a step’s name with a blank',
      document: scriptOf({ a: end, 'b c': end }),
      path: '/steps/b c',
      message: /begins with a letter/,
    },
    {
      what: 'a step’s name with a slash, escaped in the path',
      document: scriptOf({ a: end, 'b/~c': end }),
      path: '/steps/b~1~0c',
      message: /begins with a letter/,
    },
    {
      what: 'a step that is no object',
      document: scriptOf({ a: end, b: 3 }),
      path: '/steps/b',
      message: /JSON object/,
    },
    {
      what: 'a step without a type',
      document: scriptOf({ a: {} }),
      path: '/steps/a/type',
      message: /answer, play, say/,
    },
    {
      what: 'a misspelled type',
      document: scriptOf({ a: { type: 'anwser' } }),
      path: '/steps/a/type',
      message: /did you mean answer\?/,
    },
    {
      what: 'a type that is nothing like any',
      document: scriptOf({ a: { type: 'telepathy' } }),
      path: '/steps/a/type',
      message: /no step type "telepathy": there are answer/,
    },
    {
      what: 'a type named like a built-in of JavaScript',
      document: scriptOf({ a: { type: 'constructor' } }),
      path: '/steps/a/type',
      message: /no step type "constructor"/,
    },
    {
      what: 'a field that the type does not have',
      document: stepOf({ type: 'answer', next: 'end', prompt: 'x' }),
      path: '/steps/a/prompt',
      message: /no field "prompt" here$/,
    },
    {
      what: 'a field that is missing',
      document: stepOf({ type: 'wait', next: 'end' }),
      path: '/steps/a',
      message: /ms/,
    },
    { what: 'no prompts', document: play([]), path: '/steps/a/prompts', message: /1 items/ },
    {
      what: 'a prompt that is a number',
      document: play([7]),
      path: '/steps/a/prompts/0',
      message: /a sound’s name.*"sound".*"text".*"digits"/,
    },
    {
      what: 'a prompt with a field that is not there',
      document: play([{ text: 'hi', voise: 'x' }]),
      path: '/steps/a/prompts/0/voise',
      message: /no field "voise" here; did you mean "voice"\?/,
    },
    {
      what: 'a prompt with a field of another kind',
      document: play(['hello', { sound: 3 }]),
      path: '/steps/a/prompts/1/sound',
      message: /must be string/,
    },
    {
      what: 'a prompt of no kind',
      document: play([{ file: 'x' }]),
      path: '/steps/a/prompts/0',
      message: /a sound’s name.*"sound".*"text".*"digits"/,
    },
    {
      what: 'a transfer to nothing in particular',
      document: transferTo({}),
      path: '/steps/a/to',
      message: /"context" and "extension".*"dial".*"ingroup"/,
    },
    {
      what: 'a transfer to an extension without a context',
      document: transferTo({ extension: '1' }),
      path: '/steps/a/to',
      message: /context/,
    },
    {
      what: 'a transfer to an in-group that has no such name',
      document: transferTo({ ingroup: 'no blanks' }),
      path: '/steps/a/to/ingroup',
      message: /pattern/,
    },
    {
      what: 'input of a gather that is none',
      document: stepOf({ type: 'gather', input: ['smell'], on: keyed }),
      path: '/steps/a/input/0',
      message: /"digits".*"speech"/,
    },
    {
      what: 'a word that say does not know',
      document: stepOf({ type: 'say', as: 'song', value: 'x', next: 'end' }),
      path: '/steps/a/as',
      message: /digits.*number/,
    },
    {
      what: 'more digits at least than at most',
      document: stepOf({
        type: 'gather',
        min_digits: 4,
        max_digits: 2,
        on: { match: 'end', timeout: 'end', invalid: 'end' },
      }),
      path: '/steps/a/min_digits',
      message: /min_digits is 4, more than max_digits, 2/,
    },
    {
      what: 'arms without weight',
      document: stepOf({ type: 'split', arms: [{ name: 'x', weight: 0, next: 'end' }] }),
      path: '/steps/a/arms',
      message: /weight above 0/,
    },
    {
      what: 'a default of another type',
      document: stepOf({ type: 'answer', next: 'end' }, { variables: { n: { type: 'int', default: 'x' } } }),
      path: '/variables/n/default',
      message: /no int/,
    },
    {
      what: 'a variable with a name that CEL cannot have',
      document: stepOf({ type: 'answer', next: 'end' }, { variables: { 'a-b': { type: 'int' } } }),
      path: '/variables/a-b',
      message: /"a-b" is no name .* letter or _/,
    },
    {
      what: 'a channel variable that is Asterisk’s own switch',
      document: stepOf({ type: 'set', channel: { AGISIGHUP: 'no' }, next: 'end' }),
      path: '/steps/a/channel/AGISIGHUP',
      message: /"AGISIGHUP" is no name .*none of AGIEXECFULL, AGISIGHUP/,
    },
    {
      what: 'a channel variable that is a function',
      document: stepOf({ type: 'set', channel: { 'SHELL(x)': 'no' }, next: 'end' }),
      path: '/steps/a/channel/SHELL(x)',
      message: /"SHELL\(x\)" is no name .*no function/,
    },
    {
      what: 'a disposition in small letters',
      document: stepOf({ type: 'dispose', disposition: 'dnc', next: 'end' }),
      path: '/steps/a/disposition',
      message: /pattern/,
    },
    {
      what: 'a call longer than a day',
      document: stepOf({ type: 'answer', next: 'end' }, { limits: { max_call_seconds: 86_401 } }),
      path: '/limits/max_call_seconds',
      message: /86400/,
    },
    {
      what: 'a webhook that waits too long',
      document: stepOf({ type: 'webhook', url: 'https://x.example', timeout_ms: 10_001, next: 'end' }),
      path: '/steps/a/timeout_ms',
      message: /10000/,
    },
  ],
  UNKNOWN_STEP: [
    {
      what: 'an entry',
      document: { ...EXAMPLE, entry: 'wellcome' },
      path: '/entry',
      message: /did you mean "welcome"\?/,
    },
    { what: 'on_error', document: { ...EXAMPLE, on_error: 'nix' }, path: '/on_error', message: /"nix" is not a step/ },
    {
      what: 'on_hangup',
      document: { ...EXAMPLE, on_hangup: 'nix' },
      path: '/on_hangup',
      message: /"nix" is not a step/,
    },
    {
      what: 'next',
      document: stepOf({ type: 'answer', next: 'ende' }),
      path: '/steps/a/next',
      message: /did you mean "end"\?/,
    },
    {
      what: 'an outcome',
      document: stepOf({ type: 'answer', on: { done: 'nix' } }),
      path: '/steps/a/on/done',
      message: /"nix"/,
    },
    {
      what: 'a case',
      document: stepOf({ type: 'branch', cases: [{ when: 'true', next: 'nix' }], else: 'end' }),
      path: '/steps/a/cases/0/next',
      message: /"nix"/,
    },
    {
      what: 'else',
      document: stepOf({ type: 'branch', cases: [{ when: 'true', next: 'end' }], else: 'nix' }),
      path: '/steps/a/else',
      message: /"nix"/,
    },
    {
      what: 'an arm',
      document: stepOf({ type: 'split', arms: [{ name: 'x', weight: 1, next: 'nix' }] }),
      path: '/steps/a/arms/0/next',
      message: /"nix"/,
    },
    {
      what: 'a name that every object of JavaScript has',
      document: stepOf({ type: 'answer', next: 'toString' }),
      path: '/steps/a/next',
      message: /"toString" is not a step/,
    },
  ],
  MISSING_OUTCOME: [
    {
      what: 'the default one',
      document: stepOf({ type: 'answer' }),
      path: '/steps/a',
      message: /"done".*or by "next"/,
    },
    {
      what: 'another than the default one',
      document: stepOf({ type: 'amd', on: { human: 'end' } }),
      path: '/steps/a',
      message: /"machine" leads nowhere: wire it in "on"$/,
    },
    {
      what: 'a dial that is not answered',
      document: stepOf({
        type: 'transfer',
        to: { dial: 'SIP/1' },
        on: { answered: 'end', busy: 'end', failed: 'end' },
      }),
      path: '/steps/a',
      message: /"no_answer"/,
    },
    {
      what: 'no input of a gather',
      document: stepOf({ type: 'gather', on: { timeout: 'end', invalid: 'end' } }),
      path: '/steps/a',
      message: /no input leads anywhere/,
    },
    {
      what: 'a gather that times out',
      document: stepOf({ type: 'gather', on: { match: 'end', invalid: 'end' } }),
      path: '/steps/a',
      message: /"timeout"/,
    },
  ],
  UNKNOWN_OUTCOME: [
    {
      what: 'a misspelled one',
      document: stepOf({ type: 'answer', on: { done: 'end', eror: 'end' } }),
      path: '/steps/a/on/eror',
      message: /did you mean "error"\?/,
    },
    {
      what: 'one of another type',
      document: stepOf({ type: 'play', prompts: ['x'], on: { done: 'end', human: 'end' } }),
      path: '/steps/a/on/human',
      message: /a play has no outcome "human": there are done, digit, error/,
    },
    {
      what: 'a word at a gather that takes keys alone',
      document: stepOf({ type: 'gather', on: { ...keyed, yes: 'end' } }),
      path: '/steps/a/on/yes',
      message: /words need "input" with "speech"/,
    },
    {
      what: 'an outcome of dialling at another transfer',
      document: stepOf({ type: 'transfer', to: { ingroup: 'SALES' }, on: { busy: 'end' } }),
      path: '/steps/a/on/busy',
      message: /no outcome "busy"/,
    },
  ],
  BAD_EXPRESSION: [
    {
      what: 'a condition that is no expression',
      document: branchOn('1 +'),
      path: '/steps/a/cases/0/when',
      message: /./,
    },
    {
      what: 'a template that is left open',
      document: play(['hello {{ vars']),
      path: '/steps/a/prompts/0',
      message: /not closed by a }}/,
    },
    {
      what: 'types that do not go together',
      document: branchOn("1 + 'a' == 2"),
      path: '/steps/a/cases/0/when',
      message: /int/,
    },
    {
      what: 'a condition that is never true or false',
      document: branchOn('1 + 2'),
      path: '/steps/a/cases/0/when',
      message: /true or false; this is of type int/,
    },
    {
      what: 'a nested comprehension',
      document: branchOn('[1].all(x, [2].exists(y, y == x))'),
      path: '/steps/a/cases/0/when',
      message: /inside one another/,
    },
    {
      what: 'an expression in a webhook’s body',
      document: stepOf({ type: 'webhook', url: 'https://x.example', body: { a: ['{{ ( }}'] }, next: 'end' }),
      path: '/steps/a/body/a/0',
      message: /./,
    },
  ],
  UNKNOWN_NAME: [
    {
      what: 'a misspelled variable',
      document: set({ b: 'vars.plann' }, { variables: { plan: { type: 'string' } } }),
      path: '/steps/a/values/b',
      message: /vars\.plann is declared, set or saved nowhere; did you mean plan\?/,
    },
    {
      what: 'a field of call',
      document: branchOn("call.caler.number == '1'"),
      path: '/steps/a/cases/0/when',
      message: /did you mean caller\?/,
    },
    {
      what: 'a field below call',
      document: branchOn("call.caller.nmber == '1'"),
      path: '/steps/a/cases/0/when',
      message: /did you mean number\?/,
    },
    {
      what: 'a field of input',
      document: branchOn("input.keys == '1'"),
      path: '/steps/a/cases/0/when',
      message: /input\.keys does not exist/,
    },
    {
      what: 'a root',
      document: branchOn("plan == 'x'"),
      path: '/steps/a/cases/0/when',
      message: /there are vars, call, lead, input and now/,
    },
    {
      what: 'a secret outside of a webhook',
      document: set({ b: 'secret.key' }),
      path: '/steps/a/values/b',
      message: /webhook’s url, headers and body alone/,
    },
    {
      what: 'a secret in what a webhook saves',
      document: stepOf({ type: 'webhook', url: 'https://x.example', save: { b: 'secret.key' }, next: 'end' }),
      path: '/steps/a/save/b',
      message: /webhook’s url, headers and body alone/,
    },
  ],
  BUSY_LOOP: [
    {
      what: 'a set that leads to itself',
      document: scriptOf({ a: { type: 'set', values: { x: '1' }, next: 'a' }, end }),
      path: '/steps/a',
      message: /^a goes round without ever waiting/,
    },
    {
      what: 'a round of all four instant types',
      document: scriptOf({
        a: { type: 'set', values: { x: '1' }, next: 'b' },
        b: { type: 'branch', cases: [{ when: 'true', next: 'c' }], else: 'end' },
        c: { type: 'split', arms: [{ name: 'x', weight: 1, next: 'd' }] },
        d: { type: 'dispose', disposition: 'X', next: 'a' },
        end,
      }),
      path: '/steps/a',
      message: /^a → b → c → d goes round/,
    },
    {
      what: 'a round by way of a step’s error',
      document: scriptOf({ a: { type: 'set', values: { x: '1 / 0' }, on: { done: 'end', error: 'a' } }, end }),
      path: '/steps/a',
      message: /goes round/,
    },
    {
      what: 'a round through on_error',
      document: scriptOf(
        {
          a: { type: 'set', values: { x: 'int(lead.n)' }, next: 'end' },
          b: { type: 'dispose', disposition: 'X', next: 'a' },
          end,
        },
        { on_error: 'b' },
      ),
      path: '/steps/a',
      message: /^a → b goes round/,
    },
  ],
  RESERVED_TYPE: ['listen', 'converse', 'ask_model', 'run'].map((type) => ({
    what: type,
    document: scriptOf({ a: { type, next: 'end' }, end }),
    path: '/steps/a/type',
    message: new RegExp(`steps of type ${type} come with a later version`),
  })),
  APPLICATION_NOT_ALLOWED: [
    {
      what: 'one that is not on the default list',
      document: stepOf({ type: 'exec', application: 'System', arguments: ['rm'], next: 'end' }),
      path: '/steps/a/application',
      message: /System is not among the applications.*exec_allow/,
    },
  ],
  TOO_LARGE: [
    {
      what: '1,001 steps',
      document: scriptOf(Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`s${index}`, end]))),
      path: '/steps',
      message: /at most 1000 steps; this one has 1001/,
    },
    {
      what: 'more than 512 KiB',
      document: stepOf({ type: 'webhook', url: 'https://x.example', body: 'é'.repeat(256 * 1024), next: 'end' }),
      path: '',
      message: /at most 512 KiB of JSON; this one has 513/,
    },
    { what: 'nesting without end', document: stepOf(nested(5000)), path: '', message: /nests at most 64 levels/ },
  ],
};

function nested(levels: number): object {
  let value: object = {};
  for (let level = 0; level < levels; level++) value = { value };
  return value;
}

const WARNING_CASES: { readonly [C in (typeof WARNING_CODES)[number]]: readonly Case[] } = {
  UNREACHABLE_STEP: [
    {
      what: 'a step that nothing leads to',
      document: scriptOf({ a: end, b: end }),
      path: '/steps/b',
      message: /nothing leads/,
    },
    {
      what: 'steps that lead to each other alone',
      document: scriptOf({ a: end, b: { type: 'wait', ms: 1, next: 'c' }, c: { type: 'wait', ms: 1, next: 'b' } }),
      path: '/steps/c',
      message: /nothing leads/,
    },
  ],
  NO_END: [
    {
      what: 'a menu without a way out but an error',
      document: scriptOf(
        { a: { type: 'gather', on: { match: 'a', timeout: 'a', invalid: 'a' } }, end },
        { on_error: 'end' },
      ),
      path: '/steps/a',
      message: /no end can be reached/,
    },
    {
      what: 'a menu without a way out',
      document: scriptOf({ a: { type: 'gather', on: { match: 'a', timeout: 'a', invalid: 'a' } } }),
      path: '/steps/a',
      message: /no end can be reached/,
    },
    {
      what: 'a dial that goes round: it does not end the call by itself',
      document: scriptOf({
        a: { type: 'transfer', to: { dial: 'SIP/1' }, on: { answered: 'a', busy: 'a', no_answer: 'a', failed: 'a' } },
      }),
      path: '/steps/a',
      message: /no end can be reached/,
    },
  ],
  TEXT_NEEDS_SPEECH: [
    {
      what: 'text at a play',
      document: play([{ text: 'hi' }]),
      path: '/steps/a/prompts/0/text',
      message: /speech synthesis.*error outcome/,
    },
    {
      what: 'text at a gather',
      document: stepOf({ type: 'gather', prompts: ['x', { text: 'hi' }], on: keyed }),
      path: '/steps/a/prompts/1/text',
      message: /speech synthesis/,
    },
  ],
};

describe('validate accepts', () => {
  it('the example of the specification', () => {
    expect(validate(EXAMPLE)).toEqual({ valid: true, errors: [], warnings: [] });
  });

  it('the demo script', () => {
    expect(validate(demoScript)).toEqual({ valid: true, errors: [], warnings: [] });
  });

  it('a script of 1,000 steps in a chain', () => {
    const steps = Object.fromEntries(
      Array.from({ length: 999 }, (_, index) => [
        `s${index}`,
        { type: 'set', values: { x: '1' }, next: `s${index + 1}` },
      ]),
    );
    expect(validate(scriptOf({ ...steps, s999: end }))).toEqual({ valid: true, errors: [], warnings: [] });
  });

  it('an application that the organization allows, whatever its case, and none of the default list beside it', () => {
    const execOf = (application: string) => stepOf({ type: 'exec', application, next: 'end' });
    expect(validate(execOf('dial'), { exec_allow: ['Dial'] }).errors).toEqual([]);
    expect(validate(execOf('playback')).errors).toEqual([]);
    expect(validate(execOf('Playback'), { exec_allow: ['Dial'] }).errors).toMatchObject([
      { code: 'APPLICATION_NOT_ALLOWED' },
    ]);
  });

  it('words as keys of a gather that hears speech', () => {
    const document = stepOf({ type: 'gather', input: ['digits', 'speech'], on: { ...keyed, 'yes please': 'end' } });
    expect(validate(document).errors).toEqual([]);
  });

  it('a loop that waits for something', () => {
    const document = scriptOf({
      a: { type: 'set', values: { x: '1' }, next: 'b' },
      b: { type: 'wait', ms: 100, on: { done: 'a', error: 'end' } },
      end,
    });
    expect(validate(document)).toEqual({ valid: true, errors: [], warnings: [] });
  });

  it('an on_error that could fail itself: the call ends there, and does not go round', () => {
    const document = stepOf(
      { type: 'dispose', disposition: 'X', comment: '{{ lead.name }}', next: 'end' },
      { on_error: 'a' },
    );
    expect(validate(document)).toEqual({ valid: true, errors: [], warnings: [] });
  });

  it('outcomes that are optional and left out', () => {
    const document = scriptOf({
      a: { type: 'play', prompts: ['x'], next: 'b' },
      b: { type: 'amd', on: { human: 'c', machine: 'end' } },
      c: { type: 'webhook', url: 'https://x.example', next: 'd' },
      d: { type: 'exec', application: 'NoOp', next: 'end' },
      end,
    });
    expect(validate(document)).toEqual({ valid: true, errors: [], warnings: [] });
  });

  it('secrets in a webhook’s url, headers and body', () => {
    const document = stepOf({
      type: 'webhook',
      url: 'https://x.example/{{ secret.path }}',
      headers: { Authorization: 'Bearer {{ secret.token }}' },
      body: { deep: [{ key: '{{ secret.key }}' }] },
      next: 'end',
    });
    expect(validate(document).errors).toEqual([]);
  });
});

describe.each(ERROR_CODES)('the error %s', (code) => {
  it('has a case', () => expect(ERROR_CASES[code].length).toBeGreaterThan(0));

  it.each(ERROR_CASES[code])('is told of $what', ({ document, path, message }) => {
    const { valid, errors } = validate(document);
    expect(valid).toBe(false);
    expect(errors).toEqual([{ code, path, message: expect.stringMatching(message) }]);
    expect(compile(document).ok).toBe(false);
  });
});

describe.each(WARNING_CODES)('the warning %s', (code) => {
  it('has a case', () => expect(WARNING_CASES[code].length).toBeGreaterThan(0));

  it.each(WARNING_CASES[code])('is told of $what, and stops nothing', ({ document, path, message }) => {
    const { valid, errors, warnings } = validate(document);
    expect({ valid, errors }).toEqual({ valid: true, errors: [] });
    expect(warnings).toContainEqual({ code, path, message: expect.stringMatching(message) });
  });
});

describe('the findings of a validation', () => {
  it('come all at once, by path', () => {
    const document = scriptOf({
      a: { type: 'answer', next: 'nix' },
      b: { type: 'set', values: { x: 'vars.nix' }, next: 'a' },
    });
    expect(validate(document).errors.map(({ code, path }) => `${code} ${path}`)).toEqual([
      'UNKNOWN_STEP /steps/a/next',
      'UNKNOWN_NAME /steps/b/values/x',
    ]);
  });

  it('name what is wrong with a step once, however many forms it could have had', () => {
    const { errors } = validate(play([3, { text: 1 }, { sound: 'x', digits: '1' }]));
    expect(new Set(errors.map(({ path }) => path)).size).toBe(errors.length);
  });

  it('never throw, not even for what is no JSON', () => {
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const spiteful = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no');
        },
      },
    );
    const documents = [
      { steps: { a: 1n } },
      loop,
      spiteful,
      {
        toJSON: () => {
          throw new Error('no');
        },
      },
    ];
    for (const document of documents) expect(validate(document)).toMatchObject({ valid: false });
  });

  it('never take what a document inherits from JavaScript for something that it says', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const document: unknown = JSON.parse(
        `{"schema":"voiceoi/script/v1","entry":"a","steps":{"a":{"type":"answer","next":"end"},"end":{"type":"return"},"${name}":{"type":"return","${name}":1}}}`,
      );
      expect(validate(document).valid, name).toBe(false);
    }
  });

  it('stay readable for a step with everything wrong', () => {
    const wrong = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`field${index}`, index]));
    expect(validate(stepOf({ type: 'wait', ...wrong })).errors.length).toBeLessThanOrEqual(20);
  });

  it('come in time and in bounds for a document that is made to take long', () => {
    const name = (index: number) => `${'x'.repeat(60)}${index}`;
    const wrong = Array.from({ length: 1000 }, (_, index) => [
      name(index),
      {
        type: 'branch',
        cases: Array.from({ length: 3 }, (_, at) => ({ when: 'true', next: `${name(index)}${at}`.slice(-64) })),
        else: name(0),
      },
    ]);
    const round = Array.from({ length: 1000 }, (_, index) => [
      `s${index}`,
      {
        type: 'branch',
        cases: Array.from({ length: 14 }, (_, at) => ({ when: 'true', next: `s${at * 7}` })),
        else: `s${(index + 1) % 1000}`,
      },
    ]);
    for (const steps of [wrong, round]) {
      const began = performance.now();
      const { errors } = validate(scriptOf(Object.fromEntries(steps)));
      expect(errors.some(({ code }) => code === 'UNKNOWN_STEP' || code === 'BUSY_LOOP')).toBe(true);
      expect(JSON.stringify(errors).length).toBeLessThan(2_000_000);
      expect(performance.now() - began).toBeLessThan(5000);
    }
  });

  it('shorten a long round', () => {
    const steps = Array.from({ length: 40 }, (_, index) => [
      `s${index}`,
      { type: 'set', values: { x: '1' }, next: `s${(index + 1) % 40}` },
    ]);
    const [error] = validate(scriptOf(Object.fromEntries(steps))).errors;
    expect(error?.message).toMatch(/^s0 → s1 → .* → s11 → 28 more goes round/);
  });

  it('name every type of step that there is when one has none', () => {
    const [error] = validate(scriptOf({ a: {} })).errors;
    for (const type of Object.keys(STEP_TYPES)) expect(error?.message).toContain(type);
  });
});
