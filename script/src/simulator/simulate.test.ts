import { describe, expect, it } from 'vitest';
import {
  compile,
  demoScript,
  type SimulatedInput,
  type SimulationRequest,
  type SimulationResult,
  simulate,
} from '../index.ts';

function run(
  steps: { readonly [name: string]: object },
  inputs: readonly SimulatedInput[] = [],
  request: SimulationRequest = {},
  more: object = {},
): SimulationResult {
  const compiled = compile({ schema: 'voiceoi/script/v1', entry: Object.keys(steps)[0], steps, ...more });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return simulate(compiled.script, { ...request, inputs });
}

const end = { type: 'return' };
const all = (outcomes: readonly string[]) => Object.fromEntries(outcomes.map((outcome) => [outcome, 'end']));
const way = ({ steps }: SimulationResult) => steps.map(({ step, outcome }) => `${step} ${outcome}`);

/** The steps that wait for an input, each with a way for each of its outcomes. */
const WAITING = {
  gather: {
    type: 'gather',
    input: ['digits', 'speech'],
    max_digits: 2,
    on: { '1': 'end', '42': 'end', yes: 'end', ...all(['match', 'timeout', 'invalid', 'error']) },
  },
  record: { type: 'record', name: 'a', on: all(['done', 'error']) },
  webhook: { type: 'webhook', url: 'https://x.example', on: all(['ok', 'timeout', 'error']) },
  amd: { type: 'amd', on: all(['human', 'machine', 'unsure', 'error']) },
  dial: { type: 'transfer', to: { dial: 'SIP/1' }, on: all(['answered', 'busy', 'no_answer', 'failed', 'error']) },
  exec: { type: 'exec', application: 'NoOp', on: all(['done', 'failed', 'unavailable', 'error']) },
} as const;
type Waiting = keyof typeof WAITING;

const played = (kind: Waiting, ...inputs: readonly SimulatedInput[]) => {
  const result = run({ step: WAITING[kind], end }, inputs);
  return { outcome: result.steps[0]?.outcome, left: result.inputs_left, effect: result.steps[0]?.effects[0] };
};

describe('without any input', () => {
  it.each([
    ['gather', 'timeout', { digits: '', ended_by: 'timeout' }],
    ['record', 'done', { ended_by: 'silence' }],
    ['webhook', 'ok', { status: 200 }],
    ['amd', 'human', { result: 'human' }],
    ['dial', 'answered', { status: 'answered' }],
    ['exec', 'done', {}],
  ] as const)('a %s is %s', (kind, outcome, effect) => {
    expect(played(kind)).toMatchObject({ outcome, left: 0, effect });
  });

  it('a webhook’s answer is an empty map', () => {
    const { variables } = run({
      w: {
        type: 'webhook',
        url: 'https://x.example',
        save: { body: 'input.response.body', n: 'size(input.response.body)' },
        next: 'end',
      },
      end,
    });
    expect(variables).toEqual({ body: {}, n: 0 });
  });
});

describe('an input', () => {
  const digits = { digits: '1' };
  const timeout = { timeout: true } as const;
  const speech = { speech: 'Yes' };
  const response = { response: { status: 503 } };
  it.each([
    ['gather', 'digits', digits, '1'],
    ['gather', 'timeout', timeout, 'timeout'],
    ['gather', 'speech', speech, 'yes'],
    ['record', 'digits', digits, 'done'],
    ['record', 'timeout', timeout, 'done'],
    ['record', 'speech', speech, 'done'],
    ['webhook', 'response', response, 'error'],
    ['webhook', 'timeout', timeout, 'timeout'],
  ] as const)('for a %s: %s', (kind, _, input, outcome) => {
    expect(played(kind, input)).toMatchObject({ outcome, left: 0 });
  });

  it.each([
    ['gather', 'response', response, 'timeout'],
    ['record', 'response', response, 'done'],
    ['webhook', 'digits', digits, 'ok'],
    ['webhook', 'speech', speech, 'ok'],
    ['amd', 'digits', digits, 'human'],
    ['amd', 'timeout', timeout, 'human'],
    ['amd', 'response', response, 'human'],
    ['dial', 'digits', digits, 'answered'],
    ['dial', 'timeout', timeout, 'answered'],
    ['exec', 'digits', digits, 'done'],
    ['exec', 'timeout', timeout, 'done'],
  ] as const)('not for a %s, %s, stays for a later step', (kind, _, input, outcome) => {
    expect(played(kind, input)).toMatchObject({ outcome, left: 1 });
  });

  it('of speech is not for a gather that takes keys alone', () => {
    const keysAlone = { type: 'gather', next: 'end', on: all(['timeout', 'invalid']) };
    const result = run({ g: keysAlone, end }, [{ speech: 'yes' }]);
    expect(way(result)).toEqual(['g timeout', 'end completed']);
    expect(result.inputs_left).toBe(1);
  });

  it('is taken in order, by steps that wait for one alone', () => {
    const result = run(
      {
        p: { type: 'play', prompts: ['a'], interrupt_digits: '1', next: 'g' },
        g: { type: 'gather', next: 'w', on: { timeout: 'end', invalid: 'end' } },
        w: { type: 'webhook', url: 'https://x.example', next: 'g2' },
        g2: { type: 'gather', save: 'second', next: 'end', on: { timeout: 'end', invalid: 'end' } },
        end,
      },
      [{ digits: '1' }, { digits: '2' }, { digits: '3' }],
    );
    expect(way(result)).toEqual(['p done', 'g match', 'w ok', 'g2 match', 'end completed']);
    expect(result).toMatchObject({ variables: { second: '2' }, inputs_left: 1 });
  });

  it('is one attempt of a gather', () => {
    const gather = { type: 'gather', attempts: 3, on: { '1': 'end', ...all(['timeout', 'invalid']) } };
    const result = run({ g: gather, end }, [{ timeout: true }, { digits: '9' }, { digits: '1' }]);
    expect(way(result)).toEqual(['g 1', 'end completed']);
    expect(result.steps[0]?.effects.map(({ kind, ...rest }) => [kind, rest['digits']])).toEqual([
      ['gather', ''],
      ['gather', '9'],
      ['gather', '1'],
    ]);
  });

  it('of keys ends where the gather ends: at its terminator or its longest', () => {
    expect(played('gather', { digits: '42' }).effect).toMatchObject({ digits: '42', ended_by: 'max_digits' });
    expect(played('gather', { digits: '429' }).effect).toMatchObject({ digits: '42', ended_by: 'max_digits' });
    expect(played('gather', { digits: '1#' }).effect).toMatchObject({ digits: '1', ended_by: 'terminator' });
    expect(played('gather', { digits: '#' })).toMatchObject({ outcome: 'invalid' });
  });

  it('of a response brings its body and headers', () => {
    const webhook = {
      type: 'webhook',
      url: 'https://x.example',
      save: { plan: 'input.response.body.plan', id: "input.response.headers['x-id']" },
      next: 'end',
    };
    const input = { response: { status: 201, body: { plan: 'gold' }, headers: { 'x-id': '7' } } };
    expect(run({ w: webhook, end }, [input]).variables).toEqual({ plan: 'gold', id: '7' });
  });

  it.each(Object.keys(WAITING) as Waiting[])('of a hangup ends a %s and lets on_hangup run', (kind) => {
    const steps = { step: WAITING[kind], left: { type: 'dispose', disposition: 'AB', next: 'end' }, end };
    const result = run(steps, [{ hangup: true }], {}, { on_hangup: 'left' });
    expect(way(result)).toEqual(['step hangup', 'left done', 'end completed']);
    expect(result).toMatchObject({ outcome: 'caller_hangup', disposition: 'AB', inputs_left: 0 });
  });

  it('of a second hangup is for nobody', () => {
    const steps = { step: WAITING.amd, left: { type: 'webhook', url: 'https://x.example', next: 'end' }, end };
    const result = run(steps, [{ hangup: true }, { hangup: true }], {}, { on_hangup: 'left' });
    expect(way(result)).toEqual(['step hangup', 'left ok', 'end completed']);
    expect(result.inputs_left).toBe(1);
  });
});

describe('an input that names an outcome', () => {
  it.each(
    (Object.keys(WAITING) as Waiting[]).flatMap((kind) =>
      Object.keys(WAITING[kind].on).map((outcome) => [kind, outcome] as const),
    ),
  )('leads a %s to %s', (kind, outcome) => {
    expect(played(kind, { outcome })).toMatchObject({ outcome, left: 0 });
  });

  it.each(Object.keys(WAITING) as Waiting[])('that a %s does not have stays for a later step', (kind) => {
    expect(played(kind, { outcome: 'somewhere' })).toMatchObject({ left: 1 });
  });

  it.each(['timeout', 'invalid', 'match', '1', 'error'])(
    'leads a gather of several attempts to %s by one input',
    (outcome) => {
      const gather = {
        type: 'gather',
        attempts: 3,
        min_digits: 1,
        max_digits: 4,
        accept: "input.digits == '1' || int(input.digits) > 500",
        on: { '1': 'end', ...all(['match', 'timeout', 'invalid', 'error']) },
      };
      const result = run({ g: gather, end }, [{ outcome }, { hangup: true }]);
      expect(way(result)).toEqual([`g ${outcome}`, 'end completed']);
      expect(result.inputs_left).toBe(1);
    },
  );

  it('does so at that step alone', () => {
    const menu = { type: 'gather', on: { '1': 'menu2', ...all(['timeout', 'invalid']) } };
    const result = run({ menu, menu2: { ...menu, on: { '1': 'end', ...all(['timeout', 'invalid']) } }, end }, [
      { outcome: '1' },
      { digits: '5' },
    ]);
    expect(way(result)).toEqual(['menu 1', 'menu2 invalid', 'end completed']);
  });
});

describe('a simulation', () => {
  const comment = (value: string) => ({ d: { type: 'set', values: { shown: value }, next: 'end' }, end });

  it('has the caller, lead, arguments and variables that it was given', () => {
    const request = {
      caller: { number: '555', name: 'Ann' },
      lead: { city: 'Graz' },
      args: { source: 'web' },
      variables: { plan: 'gold' },
      started_at_ms: 0,
    };
    const text =
      '[call.caller.number, call.caller.name, lead.city, call.args.source, vars.plan, string(call.started_at)]';
    const result = run(comment(text), [], request, { variables: { plan: { type: 'string', default: 'x' } } });
    expect(result.variables).toEqual({
      plan: 'gold',
      shown: ['555', 'Ann', 'Graz', 'web', 'gold', '1970-01-01T00:00:00.000Z'],
    });
  });

  it('needs none of them', () => {
    expect(run(comment('call.caller.number')).variables).toEqual({ shown: '' });
  });

  it('shows what was asked for, and no secret', () => {
    const webhook = { type: 'webhook', url: 'https://x.example/{{ secret.key }}', next: 'end' };
    const result = run({ w: webhook, end }, [], { secrets: new Map([['key', 's3cret']]) });
    expect(result.steps[0]?.effects).toMatchObject([{ kind: 'http', url: 'https://x.example/***', status: 200 }]);
    expect(JSON.stringify(result)).not.toContain('s3cret');
  });

  it('says why a call failed', () => {
    expect(run({ e: { type: 'record', name: 'a', next: 'end' }, end }, [{ outcome: 'error' }])).toMatchObject({
      outcome: 'failed',
      reason: 'step "e": simulated',
    });
  });

  it('of a call that goes on for ever ends by its limits', () => {
    const round = { a: { type: 'wait', ms: 60_000, next: 'a' } };
    expect(run(round, [], {}, { limits: { max_call_seconds: 600 } })).toMatchObject({ outcome: 'limit' });
    expect(run(round, [], {}, { limits: { max_steps: 5 } })).toMatchObject({ outcome: 'failed' });
  });

  it('is the same each time', () => {
    const steps = {
      s: {
        type: 'split',
        arms: [
          { name: 'x', weight: 1, next: 'end' },
          { name: 'y', weight: 1, next: 'end' },
        ],
      },
      end,
    };
    expect(run(steps)).toEqual(run(steps));
  });

  it('shows variables as plain JSON', () => {
    const values = { d: '2.0', t: "timestamp('2026-01-01T00:00:00Z')", i: '9007199254740993', m: "{'$int': 1}" };
    const { variables } = run({ s: { type: 'set', values, next: 'end' }, end });
    expect(variables).toEqual({ d: 2, t: '2026-01-01T00:00:00.000Z', i: '9007199254740993', m: { $int: 1 } });
  });
});

describe('the demo script', () => {
  const demo = (inputs: readonly SimulatedInput[], request: SimulationRequest = {}) => {
    const compiled = compile(demoScript);
    if (!compiled.ok) throw new Error('the demo does not compile');
    const result = simulate(compiled.script, { ...request, inputs });
    return { way: way(result).join(', '), outcome: result.outcome, disposition: result.disposition };
  };
  const start = 'welcome done, greeting done';

  it.each([
    [
      '1 without a number',
      [{ digits: '1' }],
      {},
      'completed',
      'SALE',
      'menu 1, known thank, thank done, interested done, bye done, end completed',
    ],
    [
      '1 with a number',
      [{ digits: '1' }],
      { caller: { number: '555' } },
      'completed',
      'SALE',
      'menu 1, known congratulate, congratulate done, interested done, bye done, end completed',
    ],
    ['9', [{ digits: '9' }], {}, 'completed', 'DNC', 'menu 9, optout done, bye done, end completed'],
    [
      '2, then 9',
      [{ digits: '2' }, { digits: '9' }],
      { caller: { number: '555' } },
      'completed',
      'DNC',
      'menu 2, number done, menu 9, optout done, bye done, end completed',
    ],
    [
      'a number that cannot be said',
      [{ digits: '2' }, { digits: '9' }],
      { caller: { number: 'anonymous' } },
      'completed',
      'DNC',
      'menu 2, number error, menu 9, optout done, bye done, end completed',
    ],
    ['nothing', [], {}, 'completed', 'NI', 'menu timeout, silent done, bye done, end completed'],
    [
      'wrong keys',
      [{ digits: '5' }, { digits: '6' }],
      {},
      'completed',
      'NI',
      'menu invalid, silent done, bye done, end completed',
    ],
    ['hangs up', [{ hangup: true }], {}, 'caller_hangup', 'AB', 'menu hangup, left done, end completed'],
    [
      'a channel that breaks',
      [{ outcome: 'error' }],
      {},
      'completed',
      'ERROR',
      'menu error, sorry done, failed done, end completed',
    ],
  ] as const)('%s', (_, inputs, request, outcome, disposition, rest) => {
    expect(demo(inputs, request)).toEqual({ outcome, disposition, way: `${start}, ${rest}` });
  });
});
