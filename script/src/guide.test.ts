import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compile, STEP_TYPES, simulate, validate } from './index.ts';

const guide = readFileSync(new URL('../../docs/script-language.md', import.meta.url), 'utf8');
const examples = [...guide.matchAll(/```json (script|steps)\n([\s\S]*?)```/g)].map(([, kind, text = '']) => ({
  kind,
  json: JSON.parse(text),
}));

/** Steps of an example as a script, with an end to lead to. */
const documents = examples.map(({ kind, json }) =>
  kind === 'script' ? json : { schema: 'voiceoi/script/v1', entry: 'a', steps: { ...json, next: { type: 'return' } } },
);

describe('the guide for authors', () => {
  it.each(documents.map((document, index) => ({ index, document })))(
    'shows a script that validates: example $index',
    ({ document }) => {
      expect(validate(document).errors).toEqual([]);
      const compiled = compile(document);
      if (compiled.ok) expect(['completed', 'transferred', 'failed']).toContain(simulate(compiled.script).outcome);
    },
  );

  it('has an example of every step type', () => {
    const shown = documents
      .flatMap(({ steps }) => Object.values<{ readonly type: string }>(steps))
      .map(({ type }) => type);
    expect(Object.keys(STEP_TYPES).filter((type) => !shown.includes(type))).toEqual([]);
  });
});
