import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { expect, test } from 'vitest';
import { describeErrors } from './schema-errors.ts';

const form = (name: string) => Type.Object({ [name]: Type.String() }, { additionalProperties: false });
const schema = Compile(
  Type.Object(
    {
      forms: Type.Optional(Type.Array(Type.Union([form('a'), form('b')]))),
      names: Type.Optional(Type.Union([Type.Array(Type.String({ pattern: '^x$' })), Type.Null()])),
      version: Type.Optional(Type.Union([Type.Union([Type.Literal('latest'), Type.Integer()]), Type.Null()])),
      count: Type.Optional(Type.Integer({ minimum: 1 })),
      need: Type.String(),
    },
    { additionalProperties: false },
  ),
);
const NONE = 'has none of the forms that are allowed here';

test.each([
  [{}, ['/need is missing']],
  [{ need: 'x', 'a/b': 1 }, ['/a~1b is not known here']],
  [{ need: 'x', count: 0 }, ['/count must be >= 1']],
  [{ need: 'x', forms: [{ a: '1' }, { c: 1 }] }, [`/forms/1 ${NONE}`]],
  [{ need: 'x', forms: [{}, {}] }, [`/forms/0 ${NONE}`, `/forms/1 ${NONE}`]],
  [{ need: 'x', forms: [{ c: 1 }, { c: 1 }] }, [`/forms/0 ${NONE}`]],
  [{ need: 'x', names: ['x', 'y'] }, ['/names/1 must match pattern "^x$"']],
  [{ need: 'x', names: 7 }, ['/names must be array']],
  [{ need: 'x', version: 'newest' }, [`/version ${NONE}`]],
])('%j is wrong in these places, once each', (value, wanted) => {
  expect(describeErrors(schema.Errors(value)).map(({ path, message }) => `${path} ${message}`)).toEqual(wanted);
});
