import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { demoScript, STEP_TYPES, scriptSchema } from '../index.ts';

describe('the JSON Schema of the language', () => {
  const schema = scriptSchema();

  it('is plain JSON that names itself', () => {
    expect(JSON.parse(JSON.stringify(schema))).toMatchObject({ $id: 'voiceoi/script/v1', type: 'object' });
  });

  it('takes the demo script', () => {
    expect(Check(schema, demoScript)).toBe(true);
  });

  it('knows every type of step', () => {
    const text = JSON.stringify(schema);
    for (const type of Object.keys(STEP_TYPES)) expect(text).toContain(`"const":"${type}"`);
  });

  it.each([
    ['a step of no type', { ...demoScript, steps: { a: { type: 'none' } } }],
    ['a step’s name with a blank', { ...demoScript, steps: { 'a b': { type: 'return' } } }],
    [
      'a channel variable that is a function',
      { ...demoScript, steps: { a: { type: 'set', channel: { 'SHELL(x)': '' } } } },
    ],
    ['no steps', { ...demoScript, steps: {} }],
    ['another version', { ...demoScript, schema: 'voiceoi/script/v2' }],
  ])('refuses %s', (_, document) => {
    expect(Check(schema, document)).toBe(false);
  });
});
