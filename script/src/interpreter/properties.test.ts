import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  advance,
  type CallContext,
  type CallEvent,
  type CallState,
  type CompiledScript,
  compile,
  type EffectResult,
  STEP_TYPES,
  start,
  type Turn,
  validate,
} from '../index.ts';

const MAX_STEPS = 20;
/** Names of steps; some are such that an object of JavaScript has them anyway. */
const NAMES = ['a', 'b', 'c', 'd-1', 'constructor', '__proto__', 'toString', 'end'];
const VARIABLES = ['x', 'n', 'list_1', 'constructor', '__proto__'];

const target = fc.constantFrom(...NAMES);
const expression = fc.constantFrom(
  '1',
  "'text'",
  'vars.x',
  'vars.n + 1',
  '2.0',
  'now',
  'int(lead.age) > 3',
  '[1, 2].map(i, i * 2)',
  "{'a': vars.x}",
  'input.digits',
  'input.response.body',
  'vars.__proto__',
  '1 / 0',
  'call.args',
);
const condition = fc.constantFrom(
  'true',
  'false',
  "vars.x == 'text'",
  'int(lead.age) > 3',
  'has(input.digits)',
  'vars.n',
);
const template = fc.constantFrom(
  'hello',
  'a/{{ vars.x }}',
  '{{ input.digits }}',
  '{{ lead.none }}',
  '{{ call.id }}',
  '200',
);
const variable = fc.constantFrom(...VARIABLES);
const prompts = fc.array(
  fc.oneof(template, fc.record({ sound: template }), fc.record({ digits: template }), fc.record({ text: template })),
  { minLength: 1, maxLength: 3 },
);
/** A map that may have any name as its own, `__proto__` too. */
const mapOf = <T>(name: fc.Arbitrary<string>, value: fc.Arbitrary<T>, maxLength = 3) =>
  fc.array(fc.tuple(name, value), { minLength: 1, maxLength }).map((entries) => Object.fromEntries(entries));

const on = (must: readonly string[], may: readonly string[] = []) =>
  fc.record(Object.fromEntries([...must, ...may, 'error'].map((name) => [name, target])), {
    requiredKeys: [...must],
  });
const optional = <T extends { readonly [name: string]: fc.Arbitrary<unknown> }>(
  must: T,
  may: { readonly [name: string]: fc.Arbitrary<unknown> } = {},
) => fc.record({ ...must, ...may }, { requiredKeys: Object.keys(must) });
const type = (name: string) => ({ type: fc.constant(name) });
const cases = fc.array(fc.record({ when: condition, next: target }), { minLength: 1, maxLength: 3 });
const arms = fc.array(
  fc.record({ name: fc.constantFrom('x', 'y', 'z'), weight: fc.integer({ min: 1, max: 9 }), next: target }),
  { minLength: 1, maxLength: 3 },
);
const transferTo = fc.oneof(
  fc.record({ context: template, extension: template }),
  fc.record({ ingroup: fc.constant('SALES') }),
);
const disposition = { disposition: fc.constantFrom('A', 'SALE') };
const onError = fc.record({ error: target }, { requiredKeys: [] });

const STEPS: { readonly [T in keyof typeof STEP_TYPES]: fc.Arbitrary<object> } = {
  answer: optional({ ...type('answer'), on: on(['done']) }),
  play: optional({ ...type('play'), prompts, on: on(['done'], ['digit']) }, { interrupt_digits: fc.constant('12#') }),
  say: optional({
    ...type('say'),
    as: fc.constantFrom('digits', 'number', 'letters', 'date'),
    value: template,
    on: on(['done'], ['digit']),
  }),
  gather: optional(
    { ...type('gather'), on: on(['match', 'timeout', 'invalid'], ['1', '2']) },
    {
      prompts,
      attempts: fc.integer({ min: 1, max: 3 }),
      max_digits: fc.integer({ min: 1, max: 4 }),
      accept: condition,
      save: variable,
      input: fc.constant(['digits', 'speech']),
    },
  ),
  record: optional({ ...type('record'), name: template, on: on(['done']) }, { save: variable }),
  wait: optional({ ...type('wait'), ms: fc.integer({ min: 1, max: 1000 }), next: target }),
  set: optional(
    { ...type('set'), on: on(['done']) },
    { values: mapOf(variable, expression), channel: mapOf(fc.constantFrom('A', '__proto__'), template) },
  ),
  branch: optional({ ...type('branch'), cases, else: target }, { on: onError }),
  split: optional({ ...type('split'), arms }),
  webhook: optional(
    { ...type('webhook'), url: template, on: on(['ok'], ['timeout']) },
    {
      body: fc.oneof(template, mapOf(fc.constantFrom('k', '__proto__'), template)),
      headers: mapOf(fc.constantFrom('A', 'B'), template),
      save: mapOf(variable, expression),
    },
  ),
  exec: optional(
    { ...type('exec'), application: fc.constantFrom('NoOp', 'Echo'), on: on(['done'], ['failed', 'unavailable']) },
    { arguments: fc.array(template, { maxLength: 2 }) },
  ),
  amd: optional({ ...type('amd'), on: on(['human', 'machine'], ['unsure']) }),
  transfer: fc.oneof(
    optional({ ...type('transfer'), to: transferTo }, { on: onError, ...disposition }),
    optional(
      { ...type('transfer'), to: fc.record({ dial: template }), on: on(['answered', 'busy', 'no_answer', 'failed']) },
      disposition,
    ),
  ),
  dispose: optional(
    { ...type('dispose'), ...disposition, next: target },
    { comment: template, fields: mapOf(variable, template) },
  ),
  hangup: optional(type('hangup'), { ...disposition, on: onError }),
  return: optional(type('return'), { ...disposition, variables: mapOf(fc.constant('R'), template), on: onError }),
};

const step = fc.oneof(...Object.values(STEPS));
const declared = fc.constantFrom(
  { type: 'string', default: 'text' },
  { type: 'int', default: 3 },
  { type: 'double' },
  { type: 'bool' },
  { type: 'list', default: [1, { $int: 'x' }] },
  { type: 'map', default: { a: 1 } },
);

/** Documents that are mostly valid: any steps, wired to each other at random. */
const document = fc
  .record({
    steps: fc.array(step, { minLength: NAMES.length - 1, maxLength: NAMES.length - 1 }),
    variables: fc.array(declared, { minLength: VARIABLES.length, maxLength: VARIABLES.length }),
    entry: target,
    hooks: fc.record({ on_error: target, on_hangup: target }, { requiredKeys: [] }),
    max_steps: fc.integer({ min: 1, max: MAX_STEPS }),
  })
  .map(({ steps, variables, entry, hooks, max_steps }) => ({
    schema: 'voiceoi/script/v1',
    entry,
    ...hooks,
    limits: { max_steps },
    variables: Object.fromEntries(VARIABLES.map((name, index) => [name, variables[index]])),
    steps: Object.fromEntries(NAMES.map((name, index) => [name, steps[index] ?? { type: 'return' }])),
  }));

const result: fc.Arbitrary<EffectResult> = fc.oneof(
  fc.constantFrom<EffectResult>(
    { kind: 'done' },
    { kind: 'played' },
    { kind: 'played', digit: '1' },
    { kind: 'gathered', digits: '', ended_by: 'timeout' },
    { kind: 'gathered', digits: '1', ended_by: 'max_digits' },
    { kind: 'gathered', digits: '', speech: 'yes', ended_by: 'speech' },
    { kind: 'recorded', file: 'f', duration_ms: 12.5, ended_by: 'silence' },
    { kind: 'timeout' },
    { kind: 'unavailable' },
    { kind: 'detected', result: 'human' },
    { kind: 'detected', result: 'unsure', cause: 'TOOLONG' },
    { kind: 'dialled', status: 'answered' },
    { kind: 'dialled', status: 'busy' },
    { kind: 'failed', reason: 'it broke' },
  ),
  fc
    .record({ status: fc.constantFrom(200, 204, 302, 500), body: fc.jsonValue({ maxDepth: 3 }) })
    .map(({ status, body }) => {
      const plain = JSON.parse(JSON.stringify(body));
      return { kind: 'response' as const, status, headers: { 'content-type': 'application/json' }, body: plain };
    }),
);
const happening = fc.oneof(
  { weight: 30, arbitrary: result.map((value) => ({ kind: 'result' as const, result: value })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'hangup' as const }) },
  { weight: 1, arbitrary: result.map((value) => ({ kind: 'hangup' as const, result: value })) },
);
const happenings = fc.array(happening, { maxLength: 40 });
const lead = fc.constantFrom<CallContext['lead']>({}, { age: '70', id: '5' }, { age: 'x', n: '9', __proto__: 'y' });

function contextOf(given: CallContext['lead']): CallContext {
  return {
    facts: {
      id: 'c1',
      org_id: 'o',
      campaign_id: 'c',
      script_id: 's',
      version: 1,
      node_id: 'n',
      channel: 'SIP/1',
      unique_id: '1.1',
      caller: { number: '1', name: '' },
      dnid: '',
      context: 'default',
      extension: 's',
      language: 'en',
      args: { $int: 'no', x: 'from args' },
      started_at_ms: 0,
    },
    lead: given,
    variables: {},
    secrets: new Map(),
  };
}

/** The script of a document that validates; the run is not counted for one that does not. */
function scriptOf(given: unknown): CompiledScript {
  const compiled = compile(given);
  fc.pre(compiled.ok);
  if (!compiled.ok) throw new Error('unreachable');
  return compiled.script;
}

/** A turn either asks for an effect or ends the call, after no more steps than may follow one another. */
function expectSound(turn: Turn, script: CompiledScript): void {
  expect((turn.effect === undefined) !== (turn.end === undefined)).toBe(true);
  expect(turn.finished.length).toBeLessThanOrEqual(script.limits.max_steps + 1);
}

/** Plays until the call ends or nothing more happens; `carry` is what becomes of the state between two turns. */
function play(
  script: CompiledScript,
  context: CallContext,
  events: readonly CallEvent[],
  carry: (state: CallState) => CallState = (state) => state,
): readonly Turn[] {
  let turn = start(script, context);
  const turns = [turn];
  for (const event of events) {
    expectSound(turn, script);
    if (turn.end) break;
    turn = advance(script, context, carry(turn.state), event);
    turns.push(turn);
  }
  expectSound(turn, script);
  return turns;
}

const events = happenings.map((list) => list.map((item, index): CallEvent => ({ ...item, at_ms: index * 10 })));
const RUNS = { numRuns: 500 };

describe('a script that validates', () => {
  it('is what most of these documents are', () => {
    const sample = fc.sample(document, { numRuns: 300, seed: 7 });
    expect(sample.filter((given) => validate(given).valid).length).toBeGreaterThan(100);
  });

  it('never throws and never goes round without waiting, whatever happens', () => {
    fc.assert(
      fc.property(document, lead, events, (given, caller, list) => {
        play(scriptOf(given), contextOf(caller), list);
      }),
      RUNS,
    );
  });

  it('ends when its time is over', () => {
    fc.assert(
      fc.property(document, lead, events, (given, caller, list) => {
        const turns = play(scriptOf(given), contextOf(caller), [...list, { kind: 'limit', at_ms: 9999 }]);
        expect(turns.at(-1)?.end).toBeDefined();
      }),
      RUNS,
    );
  });

  it('ends after the caller has hung up, however its webhooks answer', () => {
    fc.assert(
      fc.property(
        document,
        lead,
        events,
        fc.array(result, { minLength: MAX_STEPS + 1, maxLength: MAX_STEPS + 1 }),
        (given, caller, list, rest) => {
          const after = rest.map((value): CallEvent => ({ kind: 'result', at_ms: 9999, result: value }));
          const turns = play(scriptOf(given), contextOf(caller), [...list, { kind: 'hangup', at_ms: 9999 }, ...after]);
          expect(turns.at(-1)?.end).toBeDefined();
        },
      ),
      RUNS,
    );
  });

  it('ends in silence: a caller who never brings anything is not kept for ever', () => {
    fc.assert(
      fc.property(document, lead, (given, caller) => {
        const silent: CallEvent = {
          kind: 'result',
          at_ms: 0,
          result: { kind: 'gathered', digits: '', ended_by: 'timeout' },
        };
        // Three attempts or prompts a step at most.
        const turns = play(
          scriptOf(given),
          contextOf(caller),
          Array.from({ length: 3 * MAX_STEPS + 3 }, () => silent),
        );
        expect(turns.at(-1)?.end).toBeDefined();
      }),
      RUNS,
    );
  });

  it('goes on the same from a state that has been carried away as JSON', () => {
    fc.assert(
      fc.property(document, lead, events, (given, caller, list) => {
        const script = scriptOf(given);
        const context = contextOf(caller);
        const carried = play(script, context, list, (state) => JSON.parse(JSON.stringify(state)));
        const here = play(script, context, list);
        // Not by the matchers, which take a variable called `constructor` for the type of what holds it.
        expect(JSON.stringify(carried)).toBe(JSON.stringify(here));
        for (const { state } of here) expect(isDeepStrictEqual(JSON.parse(JSON.stringify(state)), state)).toBe(true);
      }),
      RUNS,
    );
  });

  it('writes records that are numbered without a gap, and wait for nothing twice', () => {
    fc.assert(
      fc.property(document, lead, events, (given, caller, list) => {
        const records = play(scriptOf(given), contextOf(caller), list).flatMap(({ finished }) => finished);
        expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => index));
        for (const { duration_ms } of records) expect(duration_ms).toBeGreaterThanOrEqual(0);
      }),
      RUNS,
    );
  });
});

/** Every place in a document, as the object that holds it and its name there. */
function placesOf(value: unknown): readonly { readonly holder: object; readonly name: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [{ holder: value, name }, ...placesOf(inner)]);
}

type Change = {
  readonly at: number;
  readonly how: 'replace' | 'remove' | 'add';
  readonly name: string;
  readonly value: unknown;
};

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(10_000),
  how: fc.constantFrom('replace', 'remove', 'add'),
  name: fc.constantFrom('__proto__', 'constructor', 'toString', 'on', 'next', 'type', 'prompts', 'x', ''),
  value: fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(
      '{{',
      '{{ vars.x }}',
      '{{ secret.k }}',
      '__proto__',
      'gather',
      'transfer',
      'listen',
      -1,
      1e99,
      {},
      [],
    ),
  ),
});

function mutated(given: object, changes: readonly Change[]): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(given));
  for (const { at, how, name, value } of changes) {
    const places = placesOf(copy);
    const place = places[at % Math.max(1, places.length)];
    if (!place) continue;
    const define = (key: string) =>
      Object.defineProperty(place.holder, key, { value, enumerable: true, configurable: true, writable: true });
    if (how === 'remove') Reflect.deleteProperty(place.holder, place.name);
    else define(how === 'add' ? name : place.name);
  }
  return JSON.parse(JSON.stringify(copy));
}

function expectAnswer(given: unknown): void {
  const { valid, errors, warnings } = validate(given);
  expect(valid).toBe(errors.length === 0);
  for (const { path, message } of [...errors, ...warnings]) {
    expect(path === '' || path.startsWith('/')).toBe(true);
    expect(message).not.toBe('');
  }
}

describe('validate', () => {
  it('never throws for any JSON', () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), expectAnswer), RUNS);
  });

  it('never throws for what only looks like a script', () => {
    const looksLike = fc.record(
      {
        schema: fc.constant('voiceoi/script/v1'),
        entry: fc.oneof(target, fc.jsonValue()),
        steps: fc.dictionary(
          target,
          fc.record(
            {
              type: fc.constantFrom(...Object.keys(STEP_TYPES), 'listen', '__proto__'),
              next: target,
              on: fc.jsonValue(),
              prompts: fc.jsonValue(),
              to: fc.jsonValue(),
              cases: fc.jsonValue(),
              body: fc.jsonValue(),
            },
            { requiredKeys: ['type'] },
          ),
        ),
        variables: fc.jsonValue(),
        limits: fc.jsonValue(),
      },
      { requiredKeys: ['schema', 'steps'] },
    );
    fc.assert(fc.property(looksLike, expectAnswer), RUNS);
  });

  it('never throws for a script with a few things changed, and what it still accepts can be played', () => {
    fc.assert(
      fc.property(document, fc.array(change, { minLength: 1, maxLength: 3 }), events, (given, changes, list) => {
        const changed = mutated(given, changes);
        expectAnswer(changed);
        const compiled = compile(changed);
        if (compiled.ok) {
          fc.pre(compiled.script.limits.max_steps <= MAX_STEPS);
          play(compiled.script, contextOf({}), list);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('tells the same twice, and changes nothing in what it looks at', () => {
    fc.assert(
      fc.property(document, (given) => {
        const before = JSON.stringify(given);
        expect(validate(given)).toEqual(validate(given));
        expect(JSON.stringify(given)).toBe(before);
      }),
      { numRuns: 200 },
    );
  });
});
