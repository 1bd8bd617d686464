import type { BundleContent, ChangeItem } from '@voiceoi/contracts';
import { canonicalJson } from '@voiceoi/kernel';

/** The items that lead from one content to another: applied in any order they give exactly `after`, but for its revision. */
export function diffContent(before: BundleContent, after: BundleContent): readonly ChangeItem[] {
  return [
    ...diffList('script', before.scripts, after.scripts, ({ id, version }) => `${id}@${version}`),
    ...diffList('campaign', before.campaigns, after.campaigns, ({ id }) => id),
    ...(isSame(before.settings, after.settings)
      ? []
      : [{ op: 'put' as const, kind: 'settings' as const, id: 'settings', object: { ...after.settings } }]),
  ];
}

function diffList<T extends object>(
  kind: 'script' | 'campaign',
  before: readonly T[],
  after: readonly T[],
  idOf: (entry: T) => string,
): readonly ChangeItem[] {
  const old = new Map(before.map((entry) => [idOf(entry), entry]));
  const now = new Map(after.map((entry) => [idOf(entry), entry]));
  const put = [...now]
    .filter(([id, entry]) => !isSame(old.get(id), entry))
    .map(([id, entry]): ChangeItem => ({ op: 'put', kind, id, object: { ...entry } as { [name: string]: unknown } }));
  const gone = [...old.keys()].filter((id) => !now.has(id)).map((id): ChangeItem => ({ op: 'delete', kind, id }));
  return [...put, ...gone];
}

/** Script entries are the same object while they are remembered, and rows read twice have their names in one order: most comparisons cost little. */
function isSame(a: object | undefined, b: object): boolean {
  if (a === b) return true;
  if (a === undefined) return false;
  return JSON.stringify(a) === JSON.stringify(b) || canonicalJson(a) === canonicalJson(b);
}
