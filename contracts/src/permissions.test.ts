import { expect, test } from 'vitest';
import { allows, isAction, PERMISSIONS, permissionMatrix, ROLES } from './permissions.ts';

test('each role may do all that the ones below it may, and a superadmin everything', () => {
  const actions = Object.keys(PERMISSIONS).filter(isAction);
  expect(actions.length).toBe(Object.keys(PERMISSIONS).length);
  const counts = [...ROLES, 'superadmin' as const].map((rank) => actions.filter((action) => allows(rank, action)));
  for (const [index, allowed] of counts.entries())
    expect(allowed).toEqual(expect.arrayContaining(counts[index - 1] ?? []));
  expect(counts.map(({ length }) => length)).toEqual([...new Set(counts.map(({ length }) => length))]);
  expect(counts.at(-1)).toEqual(actions);
});

test('a viewer writes nothing and sees no key', () => {
  const allowed = Object.keys(PERMISSIONS).filter((name) => isAction(name) && allows('viewer', name));
  expect(allowed.filter((name) => !/\.(read|list)$/.test(name))).toEqual([]);
});

test('no name of an object is an action by accident', () => {
  expect(['public', 'node', 'constructor', 'toString', '__proto__'].filter(isAction)).toEqual([]);
});

test('the matrix says yes and no as the table does', () => {
  const lines = permissionMatrix().split('\n');
  expect(lines[0]?.split(/\s+/)).toEqual(['action', ...ROLES, 'superadmin']);
  expect(lines.find((line) => line.startsWith('script.write '))?.split(/\s+/)).toEqual([
    'script.write',
    '-',
    'yes',
    'yes',
    'yes',
    'yes',
  ]);
  expect(lines).toHaveLength(Object.keys(PERMISSIONS).length + 1);
});
