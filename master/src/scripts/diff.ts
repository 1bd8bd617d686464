/** One difference between two documents; `path` is a JSON pointer. */
export interface Difference {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** What leads from one document to another: names in their order, list items by their place, the tail of the longer list last. */
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
  const shared = Math.min(before.length, after.length);
  const changed = before
    .slice(0, shared)
    .flatMap((item, index) => diffDocuments(item, after[index], `${path}/${index}`));
  const removed = before
    .slice(shared)
    .map((item, index): Difference => ({ op: 'remove', path: `${path}/${shared + index}`, before: item }));
  const added = after
    .slice(shared)
    .map((item, index): Difference => ({ op: 'add', path: `${path}/${shared + index}`, after: item }));
  // From the end, so that a path still means what it says after those before it were removed.
  return [...changed, ...removed.reverse(), ...added];
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
