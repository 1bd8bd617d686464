import type { Change } from '@voiceoi/contracts';
import { bundleSha256, verifyChange } from '@voiceoi/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Damage, damaged, type Operation, operate, operation } from '../../../test/services/sync-operations.ts';
import { bundleOf, type Content, changeTo, contentOf, keyOf } from '../../../test/services/sync-world.ts';
import { contentSha256 } from './content-hash.ts';
import { initialSyncState, type Source, type SyncAction, type SyncEvent, syncStep, type Verdict } from './machine.ts';

/**
 * A master, a bus with a history, a stream and a node, and everything that can go wrong on the way between them. Each step of a schedule is chosen by
 * fast-check; at its end the network is whole again and the node looks once whether it is current, as it does every minute.
 */
type Step =
  | { readonly kind: 'commit'; readonly operation: Operation }
  /** A backup is put back, and `new-epoch` run: the revision may be lower than it was. */
  | { readonly kind: 'restore'; readonly at: number }
  /** One of the messages on their way arrives, and may arrive again: any of them, so order is lost too. */
  | { readonly kind: 'deliver'; readonly which: number; readonly damage: Damage; readonly twice: boolean }
  | { readonly kind: 'lose'; readonly which: number }
  /** The master sends the whole bundle into the stream. */
  | { readonly kind: 'full' }
  /** One of the questions that the node has asked is answered, or nobody answers. */
  | { readonly kind: 'answer'; readonly which: number; readonly isLost: boolean }
  | { readonly kind: 'poll' };

const which = fc.nat({ max: 9 });
const damage = fc.constantFrom<Damage>(undefined, undefined, undefined, 'sig', 'items', 'sha256', 'to', 'epoch');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('commit' as const), operation }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('restore' as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), which, damage, twice: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lose' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('full' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('answer' as const), which, isLost: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('poll' as const) }) },
);

const { key } = keyOf('abc');
const verify = (change: Change): Verdict => (verifyChange(key, change) ? 'valid' : 'forged');
type Question = 'since' | 'whole' | 'repair';

class World {
  /** Contents of the present epoch, by revision. */
  #history: Content[] = [contentOf(1)];
  /** Changes of the present epoch; the bus has them all. */
  #changes: object[] = [];
  #epochs = 1;
  /** Everything that any master ever committed, by epoch and revision. */
  readonly committed = new Map<string, string>();
  readonly onTheWay: SyncEvent[] = [];
  readonly questions: Question[] = [];
  state = initialSyncState('abc');
  /** The furthest that the node has been in each epoch. */
  readonly #furthest = new Map<string, number>();

  constructor() {
    this.#note(this.head);
  }

  get head(): Content {
    return this.#history.at(-1) ?? contentOf(0);
  }

  #note(content: Content): void {
    this.committed.set(`${content.epoch}:${content.revision}`, bundleSha256(content));
  }

  commit(operation: Operation): void {
    const { next, item } = operate(this.head, operation);
    const change = changeTo(this.head, next, [item]);
    this.#history.push(next);
    this.#changes.push(change);
    this.#note(next);
    this.onTheWay.push({ kind: 'change', change, source: 'redis' }, { kind: 'change', change, source: 'stream' });
  }

  restore(at: number): void {
    const epoch = `e${++this.#epochs}`;
    const backup = this.#history[Math.floor(at * (this.#history.length - 1))] ?? this.head;
    this.#history = [{ ...backup, epoch }];
    this.#changes = [];
    this.#note(this.head);
  }

  full(): void {
    this.onTheWay.push({ kind: 'bundle', bundle: bundleOf(this.head), source: 'stream' });
  }

  /** What the node does with an event, held against the guarantees. */
  happens(event: SyncEvent): void {
    const { state, actions } = syncStep(this.state, event, verify);
    this.state = state;
    for (const action of actions) this.#act(action);
    const { applied } = state;
    if (!applied) return;
    const { epoch, revision } = applied.content;
    expect(revision).toBeGreaterThanOrEqual(this.#furthest.get(epoch) ?? 0);
    expect(applied.sha256).toBe(this.committed.get(`${epoch}:${revision}`));
    this.#furthest.set(epoch, revision);
  }

  #act(action: SyncAction): void {
    if (action.kind === 'fetch') this.questions.push(action.what);
    if (action.kind === 'repair') this.questions.push('repair');
  }

  answer(question: Question): void {
    const ours = this.state.applied?.content;
    const source: Source = 'poll';
    const isSameEpoch = ours?.epoch === this.head.epoch && ours.revision <= this.head.revision;
    if (question === 'repair') {
      const behind = ours && isSameEpoch ? this.#changesAfter(ours.revision) : [];
      for (const change of behind) this.happens({ kind: 'change', change, source: 'redis', isRepair: true });
      if (behind.length === 0) this.questions.push('since');
      return;
    }
    if (question === 'whole' || !ours || !isSameEpoch)
      return this.happens({ kind: 'bundle', bundle: bundleOf(this.head), source });
    if (ours.revision === this.head.revision) return this.happens({ kind: 'current', source });
    for (const change of this.#changesAfter(ours.revision)) this.happens({ kind: 'change', change, source });
  }

  #changesAfter(revision: number): readonly object[] {
    const first = this.#history[0]?.revision ?? 0;
    return this.#changes.slice(Math.max(0, revision - first));
  }

  run(step: Step): void {
    switch (step.kind) {
      case 'commit':
        return this.commit(step.operation);
      case 'restore':
        return this.restore(step.at);
      case 'deliver':
        return this.#deliver(step);
      case 'lose':
        return void this.onTheWay.splice(step.which % Math.max(1, this.onTheWay.length), 1);
      case 'full':
        return this.full();
      case 'answer': {
        const [question] = this.questions.splice(step.which % Math.max(1, this.questions.length), 1);
        return question && !step.isLost ? this.answer(question) : undefined;
      }
      case 'poll':
        return this.answer('since');
      default:
        step satisfies never;
    }
  }

  #deliver({ which, damage, twice }: Extract<Step, { kind: 'deliver' }>): void {
    const at = which % Math.max(1, this.onTheWay.length);
    const event = twice ? this.onTheWay[at] : this.onTheWay.splice(at, 1)[0];
    if (!event || event.kind === 'current') return;
    if (event.kind === 'bundle') this.happens({ ...event, bundle: damaged(Object(event.bundle), damage) });
    else this.happens({ ...event, change: damaged(Object(event.change), damage) });
  }

  /** The network is whole again: questions are answered, and the node looks whether it is current. */
  settle(): void {
    this.answer('since');
    for (let turns = 0; this.questions.length > 0; turns++) {
      expect(turns).toBeLessThan(100);
      const question = this.questions.shift();
      if (question) this.answer(question);
    }
  }
}

test('10,000 schedules of loss, doubles, disorder, tampering, restores and whole bundles in between end at the master’s content, and never go back', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
      const world = new World();
      for (const each of steps) world.run(each);
      world.settle();
      expect(world.state.applied?.sha256).toBe(bundleSha256(world.head));
      expect(world.state.applied && contentSha256(world.state.applied.content)).toBe(bundleSha256(world.head));
    }),
    { numRuns: 10_000 },
  );
}, 180_000);
