import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Difference, diffDocuments } from './diff.ts';

describe('the difference between two documents', () => {
  test('is none between equal ones', () => {
    expect(diffDocuments({ a: [1, { b: null }], c: 'x' }, { c: 'x', a: [1, { b: null }] })).toEqual([]);
  });

  test('names each place by its JSON pointer, with what was and what is', () => {
    const before = { keep: 1, gone: { x: 1 }, 'a/b~c': 'old', deep: { list: [1, 2] } };
    const after = { keep: 1, new: [1], 'a/b~c': 'new', deep: { list: [1, 3] } };
    expect(diffDocuments(before, after)).toEqual([
      { op: 'replace', path: '/a~1b~0c', before: 'old', after: 'new' },
      { op: 'replace', path: '/deep/list/1', before: 2, after: 3 },
      { op: 'remove', path: '/gone', before: { x: 1 } },
      { op: 'add', path: '/new', after: [1] },
    ]);
  });

  test.each<[string, unknown[], unknown[], Difference[]]>([
    ['put in at the front', ['a', 'b'], ['x', 'a', 'b'], [{ op: 'add', path: '/0', after: 'x' }]],
    ['put in between', ['a', 'b'], ['a', 'x', 'b'], [{ op: 'add', path: '/1', after: 'x' }]],
    ['taken out', ['a', 'b', 'c'], ['a', 'c'], [{ op: 'remove', path: '/1', before: 'b' }]],
    [
      'emptied',
      ['a', 'b'],
      [],
      [
        { op: 'remove', path: '/0', before: 'a' },
        { op: 'remove', path: '/0', before: 'b' },
      ],
    ],
    [
      'changed inside while another was put in before it',
      [
        { when: 'a', next: 'x' },
        { when: 'b', next: 'y' },
      ],
      [
        { when: 'n', next: 'n' },
        { when: 'a', next: 'x' },
        { when: 'b', next: 'z' },
      ],
      [
        { op: 'add', path: '/0', after: { when: 'n', next: 'n' } },
        { op: 'replace', path: '/2/next', before: 'y', after: 'z' },
      ],
    ],
    [
      'moved to the end',
      ['a', 'b', 'c'],
      ['b', 'c', 'a'],
      [
        { op: 'remove', path: '/0', before: 'a' },
        { op: 'add', path: '/2', after: 'a' },
      ],
    ],
  ])('says of an item of a list that it was %s', (_name, before, after, wanted) => {
    expect(diffDocuments(before, after)).toEqual(wanted);
  });

  test('takes a list for a list and an object for an object', () => {
    expect(diffDocuments({ a: [] }, { a: {} })).toEqual([{ op: 'replace', path: '/a', before: [], after: {} }]);
    expect(diffDocuments({ a: null }, { a: {} })).toEqual([{ op: 'replace', path: '/a', before: null, after: {} }]);
  });

  test('is found quickly between lists that have nothing in common', () => {
    const list = (mark: string) => Array.from({ length: 20_000 }, (_value, index) => `${mark}${index}`);
    expect(diffDocuments(list('a'), list('b'))).toHaveLength(20_000);
  });

  const small = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<unknown>('a', 'b', 1, 2, true, null),
      fc.array(tie('json'), { maxLength: 6 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'a/b', '~', '', '0', '__proto__'), tie('json'), {
        noNullPrototype: true,
      }),
    ),
  })).json;

  test('property: applied one after the other as a JSON patch, it leads from the one to the other', () => {
    fc.assert(
      fc.property(small, small, (before, after) => {
        const patched = diffDocuments(before, after).reduce(applyPatch, before);
        expect(patched).toEqual(after);
      }),
      { numRuns: 3000 },
    );
  });
});

/** RFC 6902, as far as it is used; checks that what is replaced or removed is what the difference says. */
function applyPatch(document: unknown, difference: Difference): unknown {
  const keys = difference.path
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  return change(document, keys, difference);
}

function change(value: unknown, [key, ...rest]: readonly string[], difference: Difference): unknown {
  if (key === undefined) {
    expect(value).toEqual(difference.before);
    return difference.after;
  }
  const isInside = rest.length > 0 || difference.op === 'replace';
  if (Array.isArray(value)) {
    const index = Number(key);
    return isInside ? value.with(index, change(value[index], rest, difference)) : splice(value, index, difference);
  }
  const entries = new Map(Object.entries(value as object));
  if (isInside) entries.set(key, change(entries.get(key), rest, difference));
  else if (difference.op === 'add') entries.set(key, difference.after);
  else expect(entries.delete(key)).toBe(true);
  return Object.fromEntries(entries);
}

function splice(list: readonly unknown[], index: number, { op, before, after }: Difference): readonly unknown[] {
  if (op === 'add') return list.toSpliced(index, 0, after);
  expect(list[index]).toEqual(before);
  return list.toSpliced(index, 1);
}
