import type { Change } from '@voiceoi/contracts';
import { bundleSha256, signChange, verifyChange } from '@voiceoi/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Damage,
  damaged,
  type Operation,
  operate,
  operation,
  put,
} from '../../../test/services/sync-operations.ts';
import {
  bundleOf,
  type Content,
  campaignEntry,
  changeTo,
  contentOf,
  keyOf,
  scriptEntry,
} from '../../../test/services/sync-world.ts';
import { contentSha256 } from './content-hash.ts';
import {
  initialSyncState,
  type Source,
  type SyncAction,
  type SyncEvent,
  type SyncState,
  syncStep,
  type Verdict,
} from './machine.ts';

const { key } = keyOf('abc');
const verify = (change: Change): Verdict => {
  if (change.kid !== '1') return 'unknown_key';
  return verifyChange(key, change) ? 'valid' : 'forged';
};
const step = (state: SyncState, event: SyncEvent) => syncStep(state, event, verify);
const kinds = (actions: readonly SyncAction[]) =>
  actions.map((action) => {
    if (action.kind === 'report') return action.code;
    return action.kind === 'fetch' ? `fetch ${action.what}${action.calm ? ' calmly' : ''}` : action.kind;
  });

const one = contentOf(1, { campaigns: [campaignEntry('123', 's', 1)], scripts: [scriptEntry('s', 1)] });
const paused = campaignEntry('123', 's', 1, { status: 'paused' });
const two = contentOf(2, { ...one, revision: 2, campaigns: [paused] });
const toTwo = changeTo(one, two, [put(paused)]);
const atOne = step(initialSyncState('abc'), { kind: 'bundle', bundle: bundleOf(one), source: 'poll' }).state;
const onChange = (change: unknown, source: Source = 'stream', state = atOne) =>
  step(state, { kind: 'change', change, source });
const onBundle = (bundle: unknown, source: Source = 'poll', state = atOne) =>
  step(state, { kind: 'bundle', bundle, source });

describe('a change', () => {
  test('that leads on from what is applied is applied, with when it was committed', () => {
    const { state, actions } = onChange(toTwo);
    expect(actions).toMatchObject([{ kind: 'apply', source: 'stream', committedAt: toTwo.committed_at }]);
    expect(state.applied?.content.revision).toBe(2);
    expect(state.applied?.content.campaigns).toEqual([paused]);
  });

  test('leaves everything that it does not name the same object, so that it is neither hashed nor compiled again', () => {
    expect(onChange(toTwo).state.applied?.content.scripts[0]).toBe(atOne.applied?.content.scripts[0]);
  });

  test('that is applied already is dropped without a word', () => {
    expect(onChange(toTwo, 'stream', onChange(toTwo).state)).toEqual({ state: onChange(toTwo).state, actions: [] });
  });

  test.each<[string, unknown, Source, string[]]>([
    ['that skips a revision', changeTo(two, contentOf(3), []), 'stream', ['fetch since']],
    ['that skips a revision, in an answer to `since`', changeTo(two, contentOf(3), []), 'poll', ['fetch whole']],
    ['that skips a revision, on a bus that has a history', changeTo(two, contentOf(3), []), 'redis', ['repair']],
    [
      'that begins before what is applied and ends behind it',
      changeTo(contentOf(0), two, []),
      'stream',
      ['fetch since'],
    ],
    ['that only announces itself', hint(), 'stream', ['fetch since']],
    ['that only announces itself, in an answer to `since`', hint(), 'poll', ['fetch whole']],
    ['of another epoch', changeTo({ ...one, epoch: 'e2' }, { ...two, epoch: 'e2' }, []), 'stream', ['fetch whole']],
    [
      'whose text was tampered with',
      { ...toTwo, committed_at: '2020-01-01T00:00:00.000Z' },
      'redis',
      ['SIGNATURE', 'fetch since calmly'],
    ],
    ['whose signature is another', { ...toTwo, sig: 'f'.repeat(64) }, 'stream', ['SIGNATURE', 'fetch since calmly']],
    [
      'that is forged, in an answer to `since`',
      { ...toTwo, sig: 'f'.repeat(64) },
      'poll',
      ['SIGNATURE', 'fetch whole calmly'],
    ],
    ['of another shape', { ...toTwo, from: 'one' }, 'stream', ['SCHEMA', 'fetch since calmly']],
    ['that is nothing at all', null, 'stream', ['SCHEMA', 'fetch since calmly']],
    ['of another organization', { ...toTwo, org_id: 'other' }, 'stream', ['FOREIGN']],
    [
      'with another sha256',
      signChange(key, { ...body(toTwo), sha256: 'f'.repeat(64) }),
      'stream',
      ['SHA256', 'fetch whole'],
    ],
    [
      'with an item of another shape',
      signChange(key, { ...body(toTwo), changes: [{ ...put(paused), object: { id: 1 } }] }),
      'stream',
      ['SCHEMA', 'fetch whole'],
    ],
    [
      'with an item whose object has another id',
      signChange(key, { ...body(toTwo), changes: [{ ...put(paused), id: '124' }] }),
      'stream',
      ['SCHEMA', 'fetch whole'],
    ],
  ])('%s changes nothing', (_what, change, source, expected) => {
    const { state, actions } = onChange(change, source);
    expect(state.applied).toBe(atOne.applied);
    expect(kinds(actions)).toEqual(expected);
  });

  test('of an epoch that is over, said again on the bus, does not make the node ask as fast as it is said', () => {
    const old = changeTo({ ...one, epoch: 'e0' }, { ...two, epoch: 'e0' }, [put(paused)]);
    expect(kinds(onChange(old, 'redis').actions)).toEqual(['fetch whole calmly']);
  });

  test('that the history of the bus does not lead up to is asked of the master', () => {
    const change = changeTo(two, contentOf(3), []);
    const { actions } = step(atOne, { kind: 'change', change, source: 'redis', isRepair: true });
    expect(kinds(actions)).toEqual(['fetch since']);
  });

  test('before there is any configuration asks for all of it', () => {
    expect(kinds(onChange(toTwo, 'stream', initialSyncState('abc')).actions)).toEqual(['fetch whole calmly']);
  });

  test('signed by a key that this node does not hold is taken from the master over HTTP, never from a bus that anyone may write to', () => {
    const rotated = changeTo(one, two, [put(paused)], keyOf('abc', 2).key);
    expect(kinds(onChange(rotated, 'redis').actions)).toEqual(['fetch since calmly']);
    expect(kinds(onChange(rotated, 'stream').actions)).toEqual(['apply']);
    expect(kinds(onChange(rotated, 'poll').actions)).toEqual(['apply']);
  });

  test('of a secret changes what is held beside the content, with the same hash over the rest', () => {
    const secret = { name: 'token', version: 1, sealed: { '1': 'abc' } };
    const same = contentOf(2, { ...one, revision: 2 });
    const { state } = onChange(changeTo(one, same, [{ op: 'put', kind: 'secret', id: 'token', object: secret }]));
    expect(state.applied?.secrets).toEqual([secret]);
    const gone = changeTo(same, { ...same, revision: 3 }, [{ op: 'delete', kind: 'secret', id: 'token' }]);
    expect(onChange(gone, 'stream', state).state.applied?.secrets).toEqual([]);
  });
});

describe('a whole bundle', () => {
  test('replaces everything', () => {
    const { state, actions } = onBundle(bundleOf(contentOf(7)));
    expect(kinds(actions)).toEqual(['apply']);
    expect(state.applied?.content).toEqual(contentOf(7));
  });

  test('of an earlier revision of the same epoch is dropped, of another epoch it is taken although its number is lower', () => {
    const atTwo = onChange(toTwo).state;
    expect(onBundle(bundleOf(one), 'stream', atTwo)).toEqual({ state: atTwo, actions: [] });
    const restored = onBundle(bundleOf({ ...one, epoch: 'e2' }), 'poll', atTwo);
    expect(restored.state.applied?.content).toMatchObject({ epoch: 'e2', revision: 1 });
  });

  test('of an epoch that was left does not go back behind where the node was in it', () => {
    const atTwo = onChange(toTwo).state;
    const away = onBundle(bundleOf({ ...one, epoch: 'e2' }), 'poll', atTwo).state;
    expect(onBundle(bundleOf(one), 'poll', away)).toEqual({ state: away, actions: [] });
    expect(onBundle(bundleOf(two), 'poll', away).state.applied?.content).toMatchObject({ epoch: 'e1', revision: 2 });
  });

  test('that is what we have confirms it', () => {
    expect(kinds(onBundle(bundleOf(one)).actions)).toEqual(['confirm']);
  });

  test('of the same revision with other content, whole in itself, is the master’s and is taken', () => {
    const other = { ...one, campaigns: [paused] };
    expect(onBundle(bundleOf(other)).state.applied?.content.campaigns).toEqual([paused]);
  });

  test('with another content than its sha256 is asked for once more, then waited out until there is a newer revision', () => {
    const torn = { ...bundleOf(two), sha256: 'f'.repeat(64) };
    const first = onBundle(torn);
    expect(kinds(first.actions)).toEqual(['SHA256', 'fetch whole']);
    const second = onBundle(torn, 'poll', first.state);
    expect(kinds(second.actions)).toEqual(['SHA256']);
    const third = onBundle(torn, 'poll', second.state);
    expect(third.actions).toEqual([]);
    expect(third.state.applied).toBe(atOne.applied);
    expect(kinds(onBundle(bundleOf({ ...two, revision: 3 }), 'poll', third.state).actions)).toEqual(['apply']);
  });

  test('of a newer format is left alone and reported', () => {
    expect(kinds(onBundle({ ...bundleOf(two), schema: 2 }).actions)).toEqual(['NEWER_FORMAT']);
  });

  test('with fields that this version does not know is taken, and its hash covers what is known', () => {
    const newer = { ...two, settings: { voices: 'all' } } as unknown as Content;
    expect(kinds(onBundle({ ...bundleOf(newer), extra: true, bus: { kind: 'nats' } }).actions)).toEqual(['apply']);
  });

  test('from the disk or the bootstrap file never replaces what is there', () => {
    expect(onBundle(bundleOf(two), 'disk').actions).toEqual([]);
    expect(onBundle(bundleOf(two), 'bootstrap').actions).toEqual([]);
  });

  test.each([
    null,
    'text',
    [],
    {},
    { schema: 1 },
    { ...bundleOf(one), campaigns: {} },
    { ...bundleOf(one), org_id: '../x' },
  ])('that is none (%j) is reported', (value) => {
    expect(kinds(onBundle(value).actions)).toEqual(['SCHEMA']);
  });

  test('of another organization, or that names a script version twice, is not taken', () => {
    expect(kinds(onBundle(bundleOf({ ...two, org_id: 'other' })).actions)).toEqual(['FOREIGN']);
    const twice = bundleOf({ ...two, scripts: [scriptEntry('s', 1), scriptEntry('s', 1)] });
    expect(kinds(onBundle(twice).actions)).toEqual(['SHA256', 'fetch whole']);
  });

  test('that is nested without end is answered like any other that is no bundle', () => {
    const deep = JSON.parse(`${'['.repeat(200_000)}${']'.repeat(200_000)}`);
    const { state, actions } = onBundle({ ...bundleOf(two), settings: { deep } });
    expect(state.applied).toBe(atOne.applied);
    expect(kinds(actions)).toEqual(['SCHEMA', 'fetch whole calmly']);
  });
});

describe('the content’s hash', () => {
  test('is the kernel’s, whatever the order, the names and the values', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
    const content = fc.record({
      campaigns: fc.uniqueArray(fc.tuple(name, fc.jsonValue()), { selector: ([id]) => id, maxLength: 5 }),
      scripts: fc.uniqueArray(fc.tuple(name, fc.integer({ min: 1, max: 12 }), fc.dictionary(name, fc.jsonValue())), {
        selector: ([id, version]) => `${id}@${version}`,
        maxLength: 8,
      }),
      timezone: fc.string(),
    });
    fc.assert(
      fc.property(content, ({ campaigns, scripts, timezone }) => {
        const value = contentOf(3, {
          settings: { timezone },
          campaigns: campaigns.map(([id, variable]) => campaignEntry(id, 's', 1, { variables: { variable } })),
          scripts: scripts.map(([id, version, document]) => scriptEntry(id, version, document)),
        });
        expect(contentSha256(value)).toBe(bundleSha256(value));
      }),
    );
  });
});

/** One thing that reaches the node: a change or a bundle of some revision, as it was or tampered with. */
const delivery = fc.record({
  what: fc.constantFrom('change' as const, 'change' as const, 'change' as const, 'bundle' as const, 'current' as const),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  damage: fc.constantFrom<Damage>(undefined, undefined, undefined, 'sig', 'items', 'sha256', 'to', 'epoch'),
  source: fc.constantFrom<Source>('redis', 'stream', 'poll'),
});

/** Every revision's content, and the signed changes between them. */
function historyOf(operations: readonly Operation[]) {
  const history = [contentOf(1)];
  const changes: object[] = [];
  for (const each of operations) {
    const before = history.at(-1) ?? contentOf(1);
    const { next, item } = operate(before, each);
    history.push(next);
    changes.push(changeTo(before, next, [item]));
  }
  return { history, changes };
}

function deliveryEvent(
  { what, at, damage, source }: { what: string; at: number; damage: Damage; source: Source },
  history: readonly Content[],
  changes: readonly object[],
): SyncEvent {
  if (what === 'current') return { kind: 'current', source };
  const list = what === 'bundle' ? history.map((content) => bundleOf(content)) : changes;
  const value = damaged(list[Math.floor(at * (list.length - 1))] ?? {}, damage);
  return what === 'bundle' ? { kind: 'bundle', bundle: value, source } : { kind: 'change', change: value, source };
}

describe('any history, delivered in any way', () => {
  test('never goes back, never holds what the master did not have, and arrives once a whole bundle does', () => {
    fc.assert(
      fc.property(
        fc.array(operation, { minLength: 1, maxLength: 12 }),
        fc.array(delivery, { maxLength: 60 }),
        (operations, deliveries) => {
          const { history, changes } = historyOf(operations);
          const head = history.at(-1) ?? contentOf(0);
          const events = deliveries.map((each) => deliveryEvent(each, history, changes));
          const last: SyncEvent = { kind: 'bundle', bundle: bundleOf(head), source: 'poll' };
          let state = initialSyncState('abc');
          for (const event of [...events, last]) {
            const before = state.applied?.content.revision ?? 0;
            state = step(state, event).state;
            const now = state.applied?.content.revision ?? 0;
            expect(now).toBeGreaterThanOrEqual(before);
            if (now > 0) expect(state.applied?.sha256).toBe(bundleSha256(history[now - 1] ?? contentOf(0)));
          }
          expect(state.applied?.content).toEqual(head);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('any value whatever, as a change or a bundle, is answered and changes nothing', () => {
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom<Source>('disk', 'poll', 'stream', 'redis'), (value, source) => {
        expect(onChange(value, source).state.applied).toBe(atOne.applied);
        expect(onBundle(value, source).state.applied).toBe(atOne.applied);
      }),
    );
  });
});

function body({ kid: _kid, sig: _sig, ...rest }: Change): Omit<Change, 'kid' | 'sig'> {
  return rest;
}

function hint(): object {
  const { changes: _changes, ...rest } = body(toTwo);
  return signChange(key, { ...rest, hint: true });
}
