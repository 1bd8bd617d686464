import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileExpression, type Scope } from './expression.ts';
import { inspectPattern } from './patterns.ts';
import { compileTemplate } from './template.ts';
import { fromState, jsonToState, printValue, toPlainJson, toState, VALUE_LIMITS, ValueError } from './values.ts';
import { renewWork } from './work.ts';

const known = { vars: new Set(['a', 'b', 'text', 'items', 'deep']), secretsAllowed: false };
const withSecrets = { ...known, secretsAllowed: true };

function scope(vars: object = {}): Scope {
  return {
    vars,
    call: { id: 'c1', caller: { number: '123', name: '' } },
    lead: { name: 'Ann' },
    input: {},
    now: new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678)),
    secret: { key: 's3cret' },
  };
}

function evaluate(text: string, vars: object = {}): unknown {
  const compiled = compileExpression(text, known);
  if ('problems' in compiled) throw new Error(compiled.problems.map(({ message }) => message).join('; '));
  renewWork();
  return compiled.evaluate(scope(vars));
}

function print(text: string, vars: object = {}): string {
  const compiled = compileTemplate(text, known);
  if ('problems' in compiled) throw new Error(compiled.problems.map(({ message }) => message).join('; '));
  renewWork();
  return compiled.print(scope(vars));
}

function attempt(act: () => unknown): unknown {
  try {
    return act();
  } catch {
    return 'too long';
  }
}

function problemsOf(text: string, names = known): readonly string[] {
  const compiled = compileExpression(text, names);
  return 'problems' in compiled ? compiled.problems.map(({ code, message }) => `${code}: ${message}`) : [];
}

describe('a template', () => {
  it.each([
    ['no braces at all', 'no braces at all'],
    ['', ''],
    ['a {{ 1 + 1 }} b {{ vars.text }}', 'a 2 b hi'],
    ['{{1}}{{2}}', '12'],
    ['{{ "}}" }}', '}}'],
    ['{{ \'{{\' + "}}" }}', '{{}}'],
    ["{{ 'it\\'s }}' }}", "it's }}"],
    ["{{ {'a': {'b': 1}}['a']['b'] }}", '1'],
    ["{{ {'a': {'b': 1}} }}", '{"a":{"b":1}}'],
    ['} }} {', '} }} {'],
    ['{ {1} }', '{ {1} }'],
    ['{{ lead.name }}, {{ call.caller.number }}', 'Ann, 123'],
  ])('%j prints %j', (text, printed) => expect(print(text, { text: 'hi' })).toBe(printed));

  it('is evaluated once: what a value brings in is text', () => {
    for (const value of ['{{ call.id }}', '{{', '}}', '{{ secret.key }}']) {
      expect(print('<{{ vars.text }}>', { text: value })).toBe(`<${value}>`);
    }
  });

  it.each(['{{', 'a {{ 1', '{{ 1 }', "{{ 'a }}", '{{ {1 }}', '{{ 1 }} {{'])(
    '%j that is left open is refused',
    (text) => {
      expect(compileTemplate(text, known)).toEqual({
        problems: [{ code: 'BAD_EXPRESSION', message: 'a {{ is not closed by a }}' }],
      });
    },
  );

  it.each(['{{}}', '{{ }}', '{{ ( }}', '{{ 1 + }}'])('%j that holds no expression is refused', (text) => {
    expect(compileTemplate(text, known)).toMatchObject({ problems: [{ code: 'BAD_EXPRESSION' }] });
  });

  it('tells what is wrong with each of its expressions', () => {
    const compiled = compileTemplate('{{ vars.none }} {{ secret.key }}', known);
    expect('problems' in compiled && compiled.problems.map(({ code }) => code)).toEqual([
      'UNKNOWN_NAME',
      'UNKNOWN_NAME',
    ]);
  });

  it('prints no more text than a call can keep', () => {
    const long = 'x'.repeat(VALUE_LIMITS.text);
    expect(print('{{ vars.text }}', { text: long })).toBe(long);
    expect(() => print('{{ vars.text }}!', { text: long })).toThrow(ValueError);
  });

  it('never throws while it is compiled, whatever it says', () => {
    const piece = fc.constantFrom('{{', '}}', '{', '}', '"', "'", '\\', 'vars.a', '1', ' ', '+', '(', '[', 'x');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        compileTemplate(pieces.join(''), known);
      }),
    );
  });
});

describe('a value is printed', () => {
  it.each([
    ['a text', "'a\\nb'", 'a\nb'],
    ['an int', '42', '42'],
    ['a great int', '9007199254740993', '9007199254740993'],
    ['a double', '2.5', '2.5'],
    ['a double that is whole', '2.0 + 1.0', '3'],
    ['a truth', 'true', 'true'],
    ['null', 'null', ''],
    ['a timestamp', 'now', '2026-01-02T03:04:05.678Z'],
    ['a list', "[1, 'a', null, 2.5]", '[1,"a",null,2.5]'],
    ['a map', "{'a': now}", '{"a":"2026-01-02T03:04:05.678Z"}'],
    ['a map with numbers as names', "{1: 'a'}", '{"1":"a"}'],
  ])('%s', (_, expression, printed) => expect(print(`{{ ${expression} }}`)).toBe(printed));

  it.each([
    ['bytes', "bytes('a')"],
    ['a duration', "duration('1s')"],
    ['a type', 'type(1)'],
    ['a timestamp that is none', "timestamp('nonsense')"],
  ])('%s cannot be, and says so by an error', (_, expression) => {
    expect(() => print(`{{ ${expression} }}`)).toThrow();
  });
});

describe('a value that is kept in a call’s state', () => {
  const roundTrip = (value: unknown): unknown => fromState(JSON.parse(JSON.stringify(toState(value))));

  it.each([
    ['an int', 5n, 5],
    ['an int beyond 2^53', 9007199254740993n, { $int: '9007199254740993' }],
    ['a negative int beyond 2^53', -9007199254740993n, { $int: '-9007199254740993' }],
    ['a double', 2.5, 2.5],
    ['a double that is whole', 2, { $double: 2 }],
    ['a great double', 1e300, { $double: 1e300 }],
    ['a timestamp', new Date(1000), { $time: '1970-01-01T00:00:01.000Z' }],
    ['a map that looks like a tag', { $int: '7' }, { $map: { $int: '7' } }],
    ['a map that looks like the tag of maps', { $map: { a: 1n } }, { $map: { $map: { a: 1 } } }],
    ['null', null, null],
    ['a list of all', [1n, 1.5, 'x', true, null, [2n]], [1, 1.5, 'x', true, null, [2]]],
    ['a map of CEL', new Map<string, unknown>([['a', 1n]]), { a: 1 }],
  ])('%s comes back as it was', (_, value, kept) => {
    expect(toState(value)).toEqual(kept);
    expect(roundTrip(value)).toEqual(value instanceof Map ? Object.fromEntries(value) : value);
  });

  it('comes back as it was, whatever it is', () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(
          fc.oneof(fc.string(), fc.constantFrom('$int', '$double', '$time', '$map', '__proto__')),
          tie('value'),
          { maxKeys: 4, noNullPrototype: true },
        ),
      ),
    }));
    fc.assert(
      fc.property(value, (given) => {
        expect(roundTrip(given)).toEqual(given);
      }),
    );
  });

  it('from outside is never taken for a tag', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('$int', '$double', '$time', '$map'), (inner, tag) => {
        const given = JSON.parse(JSON.stringify({ [tag]: inner, list: [{ [tag]: inner }] }));
        expect(toPlainJson(jsonToState(given))).toEqual(given);
      }),
    );
  });

  it.each([
    ['text', 'x'.repeat(VALUE_LIMITS.text + 1)],
    ['items', Array.from({ length: VALUE_LIMITS.items }, () => null)],
    ['items in all', [Array.from({ length: 6000 }, () => 1n), Array.from({ length: 6000 }, () => 1n)]],
    ['no number', Number.NaN],
    ['an endless number', Number.POSITIVE_INFINITY],
    ['no time', new Date(Number.NaN)],
    ['bytes', new Uint8Array(1)],
    ['nothing', undefined],
    ['a function', () => 1],
  ])('has bounds: %s', (_, value) => expect(() => toState(value)).toThrow(ValueError));

  it('that is too long cannot be printed either', () => {
    expect(() => printValue('x'.repeat(VALUE_LIMITS.text + 1))).toThrow(ValueError);
  });
});

describe('an expression', () => {
  it.each([
    ['1 + 2 * 3', 7n],
    ["vars.a == 'gold' || int(vars.b) >= 65", true],
    ['has(vars.a) && !has(vars.deep)', true],
    ["'abc'.startsWith('a') && 'abc'.size() == 3", true],
    ['[1, 2, 3].filter(x, x > 1).map(y, y * 2)', [4n, 6n]],
    ['[1, 2].exists(x, x == 2) && [1].all(x, x == 1)', true],
    ["'12345'.matches('^[0-9]{5}$')", true],
    ["timestamp('2026-01-01T00:00:00Z') < now", true],
    ['now.getHours()', 3n],
    ['int(now)', 1767323045n],
    ['string(now)', '2026-01-02T03:04:05.678Z'],
    ['[1].map(x, x + 1).exists(y, y == 2)', true],
    ['10 * 1.5 + 1', 16],
    ['1.5 - 1 == 0.5 && 3 / 2.0 == 1.5', true],
    ['size(vars.a) * 0.5', 3],
  ])('%s', (text, value) => expect(evaluate(text, { a: 'silver', b: '70' })).toEqual(value));

  it.each([
    ['1 / 0'],
    ['vars.a'],
    ['int("x")'],
    ['vars.items[5]'],
    ['9223372036854775807 + 1'],
    ['lead.constructor'],
    ["lead['__proto__']"],
    ["call.caller.toString == ''"],
  ])('%s cannot be computed, and says so by an error', (text) => {
    expect(() => {
      const value = evaluate(text.replace('.toString', '["toString"]'), { items: [1n] });
      if (typeof value === 'function' || typeof value === 'object') throw new TypeError('an inner working came out');
      return value;
    }).toThrow();
  });

  describe('is bounded', () => {
    it.each([
      ['[1].map(x, [2].map(y, x + y))', /inside one another/],
      ['[1].filter(x, x > 0 && [2].exists(y, y == x))', /inside one another/],
      ['[[1]].all(x, x.all(y, y > 0))', /inside one another/],
      ['[1].map(x, cel.bind(z, [1].map(y, y), z.size()))', /inside one another/],
      ['[1].map(vars, vars)', /vars is a name of the scope/],
      ['[1].exists(now, now == 1)', /now is a name of the scope/],
      ['vars.text.matches(vars.a)', /has to be written out/],
      ["vars.text.matches('(a+)+$')", /a group may not be repeated/],
      ["vars.text.matches('(a|aa)*')", /a group may not be repeated/],
      ["vars.text.matches('.*a.*b.*c.*')", /at most three parts.*two where/],
      ["vars.text.matches('(?=a)')", /look-around/],
      ["vars.text.matches('(a)\\\\1')", /back-references/],
      ["vars.text.matches('[')", /no regular expression/],
      [`vars.text.matches('${'a'.repeat(129)}')`, /at most 128/],
      [`[${'1,'.repeat(300)}1].size() > 0`, /./],
      [`${'('.repeat(200)}1${')'.repeat(200)}`, /./],
      [Array.from({ length: 500 }, () => '1').join(' + '), /./],
    ])('%s', (text, message) => {
      expect(problemsOf(text)).toEqual([expect.stringMatching(message)]);
    });

    it.each(['^x*x*x*y', 'x+x+y', 'x*y', '^x?x?x?x{0,9}x*y', '(x|x)(x|x)(x|x)x*y'])(
      'in the time that the pattern %s takes on any text',
      (pattern) => {
        const began = performance.now();
        for (let length = 16; length <= VALUE_LIMITS.text; length += length) {
          const match = () => evaluate(`vars.text.matches('${pattern}')`, { text: 'x'.repeat(length) });
          if (length <= 64) expect(match()).toBe(false);
          else expect([false, 'too long']).toContain(attempt(match));
        }
        expect(performance.now() - began).toBeLessThan(2000);
      },
    );

    it.each([
      ['a pattern for each of many items', "vars.items.all(x, !vars.text.matches('^.*.*.*b$'))"],
      ['a look through a list for each of its items', 'vars.items.all(x, !((x + 100000) in vars.items))'],
      ['a comparison of lists for each item', 'vars.items.all(x, vars.items == vars.deep)'],
      ['a text made longer for each item', "vars.items.map(x, vars.text + vars.text).all(x, x.contains('b') || true)"],
      ['lists that double', `[[1]]${'.map(a, a + a)'.repeat(30)}.size() > 0`],
      ['texts that double', `['xxxxxxxx']${'.map(a, a + a)'.repeat(30)}.size() > 0`],
      [
        'lists that double by names',
        `${'cel.bind(a, [1, 1], '}${'cel.bind(a, a + a, '.repeat(17)}a${')'.repeat(18)}.size() > 0`,
      ],
      ['many long texts joined to one', 'vars.items.map(x, vars.text).join().size() > 0'],
      ['a clock of another zone for each item', "vars.items.all(x, now.getHours('Asia/Tokyo') >= 0)"],
    ])('in its work: %s', (_, expression) => {
      const items = Array.from({ length: 9000 }, (_item, index) => BigInt(index));
      const text = 'a'.repeat(250);
      const began = performance.now();
      expect(() => evaluate(expression, { items, text, deep: [...items] })).toThrow(/too much work|parts/);
      expect(performance.now() - began).toBeLessThan(1000);
    });

    it('in its work, of which ordinary ones use little', () => {
      const items = Array.from({ length: 5000 }, (_item, index) => BigInt(index));
      expect(evaluate('vars.items.filter(x, x % 2 == 0).map(x, x * 10).exists(x, x == 49980)', { items })).toBe(true);
    });

    it('in the text that a pattern may be used on, which an error tells', () => {
      const text = 'x'.repeat(3000);
      expect(() => evaluate("vars.text.matches('^x*x*x*y')", { text })).toThrow(/at most \d+ characters/);
      expect(evaluate("vars.text.matches('^x*$')", { text })).toBe(true);
      expect(evaluate("vars.text.matches('^x*')", { text: 'x'.repeat(VALUE_LIMITS.text) })).toBe(true);
    });
  });

  it.each([
    ['vars.c', /UNKNOWN_NAME: vars\.c is declared, set or saved nowhere/],
    ['vars["c"]', /UNKNOWN_NAME: vars\.c/],
    ['call.nothing', /UNKNOWN_NAME: call\.nothing does not exist/],
    ['input.response.code', /UNKNOWN_NAME: input\.response\.code/],
    ['plan', /UNKNOWN_NAME: plan is not a name here/],
    ['size(plan)', /UNKNOWN_NAME: plan is not a name here/],
    ['{"a": plan}', /UNKNOWN_NAME: plan is not a name here/],
    ['true ? plan : 1', /UNKNOWN_NAME: plan is not a name here/],
    ['[1].map(x, y)', /UNKNOWN_NAME: y is not a name here/],
    ['[1].map(x, x) == [x]', /UNKNOWN_NAME: x is not a name here/],
    ['vars[plan]', /UNKNOWN_NAME: plan is not a name here/],
    ['frobnicate(1)', /BAD_EXPRESSION: .*frobnicate/],
    ["1 + 'a'", /BAD_EXPRESSION: /],
    ['', /BAD_EXPRESSION: /],
    ['1 +', /BAD_EXPRESSION: /],
  ])('%s is refused with a code and a reason of one line', (text, message) => {
    const problems = problemsOf(text);
    expect(problems).toEqual([expect.stringMatching(message)]);
    expect(problems.join('')).not.toContain('\n');
  });

  it.each(['secret.key', 'secret["key"]', '[1].map(x, secret.key)', 'has(secret.key)', 'secret', 'size(secret) > 0'])(
    '%s is refused outside of a webhook, and understood in one',
    (text) => {
      expect(problemsOf(text)).toEqual([expect.stringMatching(/UNKNOWN_NAME: `secret` can be used in a webhook/)]);
      expect(problemsOf(text, withSecrets)).toEqual([]);
    },
  );

  it('that only says the word secret is none', () => {
    expect(evaluate("'the secret' + lead.name")).toBe('the secretAnn');
  });
});

describe('a pattern', () => {
  it.each([
    '^[0-9]+$',
    'a|b',
    '(ab|cd)e',
    '^\\+?[0-9]{3,15}$',
    '(?:ab)c',
    '[()*+]+',
    '\\(*\\)',
    'colou?r',
    '^[^@]+@[^@]+[.][a-z]+$',
    '^(mon|tue|wed|thu|fri|sat|sun)$',
    '^(0?[1-9]|[12][0-9]|3[01])/(0?[1-9]|1[0-2])$',
  ])('%s is good', (pattern) => {
    expect(inspectPattern(pattern)).toHaveProperty('longestText');
  });

  it.each([
    '(a)+',
    '(a)*',
    '(a){2,}',
    '(?:a)?b',
    'a**',
    '(',
    '\\1',
    '(?<n>a)\\k<n>',
    '(?!a)',
    '(a|a)'.repeat(20),
    `${'a?'.repeat(20)}${'a'.repeat(20)}`,
    'a{0,99}a{0,99}b',
    '^a*a*a*a*',
  ])('%s is not', (pattern) => {
    expect(inspectPattern(pattern)).toHaveProperty('problem');
  });
});
