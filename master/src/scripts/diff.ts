import { canonicalJson } from '@voiceoi/kernel';
import { alignLists } from './align.ts';

/** One difference between two documents; `path` is a JSON pointer. */
export interface Difference {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/**
 * What leads from one document to another: names in the order of their characters, list items where they stand, so that an item that was put in
 * is one addition and not a change of all that follow. Applied one after the other, as a JSON patch (RFC 6902), the differences turn the one into the other.
 */
export function diffDocuments(before: unknown, after: unknown, path = ''): readonly Difference[] {
  if (before === after) return [];
  if (Array.isArray(before) && Array.isArray(after)) return diffLists(before, after, path);
  if (isObject(before) && isObject(after)) return diffObjects(before, after, path);
  return [{ op: 'replace', path, before, after }];
}

function diffObjects(
  before: { readonly [name: string]: unknown },
  after: { readonly [name: string]: unknown },
  path: string,
): readonly Difference[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((name): readonly Difference[] => {
    const inner = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (!Object.hasOwn(after, name)) return [{ op: 'remove', path: inner, before: before[name] }];
    if (!Object.hasOwn(before, name)) return [{ op: 'add', path: inner, after: after[name] }];
    return diffDocuments(before[name], after[name], inner);
  });
}

function diffLists(before: readonly unknown[], after: readonly unknown[], path: string): readonly Difference[] {
  // Where the next item stands, once the differences so far were applied.
  let place = 0;
  return alignLists(before.map(canonicalJson), after.map(canonicalJson)).flatMap(
    ([left, right]): readonly Difference[] => {
      if (right === undefined) return [{ op: 'remove', path: `${path}/${place}`, before: before[left ?? 0] }];
      const at = `${path}/${place++}`;
      if (left === undefined) return [{ op: 'add', path: at, after: after[right] }];
      return diffDocuments(before[left], after[right], at);
    },
  );
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
