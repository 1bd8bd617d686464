import type { BundleContent, ChangeItem } from '@voiceoi/contracts';
import { bundleSha256, verifyChange } from '@voiceoi/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyItems } from './apply-items.ts';
import { initialSyncState, type SyncEvent, type SyncState, type SyncStep, syncStep } from './machine.ts';
import { testBundle, testCampaign, testChange, testContent, testKey, testScript } from './sync.test-data.ts';

const verify = (change: Parameters<typeof verifyChange>[1]): boolean => verifyChange(testKey(), change);
const step = (state: SyncState, event: SyncEvent): SyncStep => syncStep(state, event, verify);
const at = (content: BundleContent): SyncState =>
  step(initialSyncState('abc'), { kind: 'bundle', bundle: testBundle(content), source: 'poll' }).state;
const kinds = ({ actions }: SyncStep): readonly string[] =>
  actions.map((action) =>
    action.kind === 'fetch' ? `fetch ${action.what}` : action.kind === 'report' ? `report ${action.code}` : action.kind,
  );
const put = (id: string, version: number): ChangeItem[] => [
  { op: 'put', kind: 'campaign', id, object: testCampaign(id, version) },
];
const next = (revision: number): BundleContent =>
  testContent(revision, { campaigns: [testCampaign('1', 1), testCampaign('2', 1)] });

describe('the state machine of a node’s sync', () => {
  test('takes a bundle whole, and confirms the same one', () => {
    const taken = step(initialSyncState('abc'), { kind: 'bundle', bundle: testBundle(testContent(3)), source: 'disk' });
    expect(kinds(taken)).toEqual(['apply']);
    expect(kinds(step(taken.state, { kind: 'bundle', bundle: testBundle(testContent(3)), source: 'poll' }))).toEqual([
      'confirm',
    ]);
    expect(kinds(step(taken.state, { kind: 'current', source: 'poll' }))).toEqual(['confirm']);
  });

  test('never goes back within an epoch, and takes another epoch whatever its number', () => {
    const state = at(testContent(5));
    expect(kinds(step(state, { kind: 'bundle', bundle: testBundle(testContent(4)), source: 'poll' }))).toEqual([]);
    const restored = step(state, {
      kind: 'bundle',
      bundle: testBundle(testContent(2, { epoch: 'e2' })),
      source: 'poll',
    });
    expect(restored.state.content).toMatchObject({ epoch: 'e2', revision: 2 });
  });

  test('applies the change that follows, drops what it has, and asks for what it missed', () => {
    const state = at(testContent(5));
    const applied = step(state, { kind: 'change', change: testChange(next(6), put('2', 1)), source: 'stream' });
    expect(kinds(applied)).toEqual(['apply']);
    expect(applied.state.sha256).toBe(bundleSha256(next(6)));
    expect(
      kinds(step(applied.state, { kind: 'change', change: testChange(next(6), put('2', 1)), source: 'stream' })),
    ).toEqual([]);
    expect(kinds(step(state, { kind: 'change', change: testChange(next(8), put('2', 1)), source: 'stream' }))).toEqual([
      'fetch since',
    ]);
    expect(
      kinds(step(state, { kind: 'change', change: testChange(testContent(6, { epoch: 'e2' }), []), source: 'stream' })),
    ).toEqual(['fetch whole']);
    const { changes: _changes, ...announced } = testChange(next(6), put('2', 1));
    expect(kinds(step(state, { kind: 'change', change: announced, source: 'stream' }))).toEqual([
      'report SIGNATURE',
      'fetch since',
    ]);
  });

  test('drops what was altered, and fetches over HTTP', () => {
    const state = at(testContent(5));
    const change = { ...testChange(next(6), put('2', 1)), changes: put('2', 9) };
    expect(kinds(step(state, { kind: 'change', change, source: 'stream' }))).toEqual([
      'report SIGNATURE',
      'fetch since',
    ]);
    expect(step(state, { kind: 'change', change, source: 'stream' }).state).toBe(state);
  });

  test('fetches the whole bundle once when content is not what was promised, and then keeps the old until there is a newer one', () => {
    const state = at(testContent(5));
    const wrong = testChange(next(6), put('3', 1));
    const first = step(state, { kind: 'change', change: wrong, source: 'stream' });
    expect(kinds(first)).toEqual(['report SHA256', 'fetch whole']);
    const second = step(first.state, {
      kind: 'bundle',
      bundle: { ...testBundle(next(6)), sha256: '0'.repeat(64) },
      source: 'poll',
    });
    expect(kinds(second)).toEqual(['report SHA256']);
    expect(second.state.content?.revision).toBe(5);
    expect(kinds(step(second.state, { kind: 'bundle', bundle: testBundle(next(7)), source: 'poll' }))).toEqual([
      'apply',
    ]);
  });

  test('keeps everything when the master speaks a newer format, another shape, or of another organization', () => {
    const state = at(testContent(5));
    expect(kinds(step(state, { kind: 'bundle', bundle: { schema: 2 }, source: 'poll' }))).toEqual([
      'report NEWER_FORMAT',
    ]);
    expect(kinds(step(state, { kind: 'bundle', bundle: { schema: 1 }, source: 'poll' }))).toEqual(['report SCHEMA']);
    expect(
      kinds(step(state, { kind: 'bundle', bundle: testBundle(testContent(9, { org_id: 'abd' })), source: 'poll' })),
    ).toEqual(['report FOREIGN']);
    expect(kinds(step(state, { kind: 'change', change: 'x', source: 'stream' }))).toEqual([
      'report SCHEMA',
      'fetch since',
    ]);
  });

  test('survives anything', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('bundle' as const, 'change' as const), (value, kind) => {
        const event: SyncEvent =
          kind === 'bundle' ? { kind, bundle: value, source: 'stream' } : { kind, change: value, source: 'stream' };
        expect(step(at(testContent(1)), event).state.content?.revision).toBe(1);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('any schedule of changes', () => {
  /** The master's history: each revision adds, changes or deletes something. */
  const history = fc
    .array(fc.record({ id: fc.constantFrom('1', '2', '3'), version: fc.constantFrom(1, 2, 0) }), {
      minLength: 1,
      maxLength: 12,
    })
    .map((edits) => {
      const contents = [testContent(0)];
      const items: ChangeItem[][] = [[]];
      for (const { id, version } of edits) {
        const change: ChangeItem[] =
          version === 0
            ? [{ op: 'delete', kind: 'campaign', id }]
            : [
                { op: 'put', kind: 'campaign', id, object: testCampaign(id, version) },
                { op: 'put', kind: 'script', id: `s@${version}`, object: testScript('s', version) },
              ];
        const before = contents.at(-1);
        const after = before && applyItems(before, contents.length, change);
        if (!after) throw new Error('the history has to apply');
        contents.push(after);
        items.push(change);
      }
      return { contents, items };
    });
  const happenings = fc.array(
    fc.record({ what: fc.constantFrom('deliver', 'repeat', 'tamper', 'bundle'), which: fc.nat({ max: 12 }) }),
    { maxLength: 40 },
  );

  /** Feeds what happens and holds each state against the history. */
  function follow(
    contents: readonly BundleContent[],
    items: readonly ChangeItem[][],
    events: readonly { readonly what: string; readonly which: number }[],
  ): SyncState {
    let state = at(contents[0] ?? testContent(0));
    const feed = (event: SyncEvent): void => {
      const before = state.content?.revision ?? 0;
      state = step(state, event).state;
      const revision = state.content?.revision ?? 0;
      expect(revision).toBeGreaterThanOrEqual(before);
      expect(state.sha256).toBe(bundleSha256(contents[revision] ?? testContent(-1)));
    };
    for (const { what, which } of events) {
      const content = contents[which % contents.length] ?? testContent(0);
      const change = testChange(content, items[content.revision] ?? []);
      if (what === 'bundle') feed({ kind: 'bundle', bundle: testBundle(content), source: 'poll' });
      else
        feed({
          kind: 'change',
          change: what === 'tamper' ? { ...change, sha256: 'f'.repeat(64) } : change,
          source: 'stream',
        });
    }
    feed({ kind: 'bundle', bundle: testBundle(contents.at(-1) ?? testContent(0)), source: 'poll' });
    return state;
  }

  test('lost, doubled, reordered or altered: never goes back, holds only true content, and one fetch brings it to the master’s', () => {
    fc.assert(
      fc.property(history, happenings, ({ contents, items }, events) => {
        expect(follow(contents, items, events).content?.revision).toBe(contents.length - 1);
      }),
      { numRuns: 2000 },
    );
  });
});
