import { describe, expect, test } from 'vitest';
import type { SeenCall } from './calls.ts';
import { type Evidence, type StoredCall, violations } from './checker.ts';

/** A call of two seconds that was played to its end. */
function seen(startedAt: number, prompt: string, changed: Partial<SeenCall> = {}): SeenCall {
  const rest = { turns_ms: [1, 1], commands: 6, duration_ms: 2000, dialogue: [], first_command_ms: 2 };
  const ended = { agistatus: 'SUCCESS' as const, outcome: 'completed', call_id: `at-${startedAt}` };
  return {
    node: 'node-1',
    startedAt,
    endedAt: startedAt + 2000,
    prompts: [prompt, prompt],
    ...rest,
    ...ended,
    ...changed,
  };
}

function stored(call: SeenCall, version: number, changed: Partial<StoredCall> = {}): StoredCall {
  const { call_id = '', node, prompts } = call;
  const what = { outcome: 'completed', disposition: prompts[0]?.toUpperCase() ?? null, steps: 2, seqs: [0, 1] };
  return { call_id, node_id: node, version, ...what, ...changed };
}

const [early, late] = [seen(1000, 'p1'), seen(9000, 'p2')];

function evidence(changed: Partial<Evidence> = {}, node: Partial<Evidence['nodes'][number]> = {}): Evidence {
  const all = {
    dialed: [[early], [late]],
    published: [
      { prompt: 'p1', version: 1, answeredAt: 0 },
      { prompt: 'p2', version: 2, answeredAt: 5000 },
    ],
    versions: new Map([
      ['p1', 1],
      ['p2', 2],
    ]),
    stored: [stored(early, 1), stored(late, 2)],
    nodes: [{ name: 'node-1', away: [], blind: [], killedAt: [], mayGoBack: [], ...node }],
    dueMs: 1000,
    ...changed,
  };
  const known = new Set(all.dialed.flat().flatMap(({ call_id }) => call_id ?? []));
  return { known, ...all };
}

const refused = { agistatus: 'FAILURE' as const, commands: 0, prompts: [], failure: 'failure', duration_ms: 1 };
/** Without what a call has that was taken. */
const refusedAt = (at: number): SeenCall => {
  const { call_id: _id, outcome: _outcome, first_command_ms: _first, ...rest } = seen(at, '', refused);
  return rest;
};

describe('the checker of drills', () => {
  test('finds nothing where all is well', () => {
    expect(violations(evidence())).toEqual([]);
  });

  test.each<[string, Evidence, RegExp]>([
    ['a call that was refused for nothing', evidence({ dialed: [[refusedAt(3000)]], stored: [] }), /^refused/],
    [
      'a version that nobody published',
      evidence({ versions: new Map([['p2', 2]]) }),
      /^played what was never published/,
    ],
    [
      'a version that changed within a call',
      evidence({ dialed: [[seen(9000, 'p2', { prompts: ['p2', 'p1'] })]], stored: [stored(late, 2)] }),
      /^changed its version/,
    ],
    [
      'an old version played for too long',
      evidence({ dialed: [[seen(7000, 'p1')]], stored: [stored(seen(7000, 'p1'), 1)] }),
      /^played version 1 2000 ms after 2/,
    ],
    [
      'a node that went back',
      evidence({
        dialed: [[late], [seen(12_000, 'p1')]],
        stored: [stored(late, 2), stored(seen(12_000, 'p1'), 1)],
        published: [],
      }),
      /^went back/,
    ],
    ['dead air', evidence({ dialed: [[early], [{ ...late, turns_ms: [1, 2500] }]] }), /^dead air of 2500 ms/],
    [
      'a late first command',
      evidence({ dialed: [[early], [{ ...late, first_command_ms: 6000 }]] }),
      /^no first command for 6000/,
    ],
    [
      'a call that broke off',
      evidence({ dialed: [[early], [{ ...late, outcome: 'failed' }]] }),
      /^not played to its end/,
    ],
    ['a lost record', evidence({ stored: [stored(early, 1)] }), /^no record/],
    [
      'a doubled record',
      evidence({ stored: [stored(early, 1), stored(late, 2), stored(late, 2)] }),
      /^stored more than once/,
    ],
    [
      'a record of no call',
      evidence({ stored: [stored(early, 1), stored(late, 2), stored(seen(1, 'p1'), 1)] }),
      /^stored, but nobody called/,
    ],
    ['a record of another version', evidence({ stored: [stored(early, 2), stored(late, 2)] }), /^the record says/],
    [
      'a lost step',
      evidence({ stored: [stored(early, 1), stored(late, 2, { seqs: [1] })] }),
      /^of 2 steps there are 1/,
    ],
  ])('finds %s', (_what, wrong, word) => {
    expect(violations(wrong)[0]).toMatch(word);
  });

  test('lets a node refuse calls while it is away, be late while it cannot know, and go back where its state was taken away', () => {
    const calls = [refusedAt(3000), seen(7000, 'p1')];
    const spans = { away: [{ from: 2500, until: 3500 }], blind: [{ from: 5500, until: 8000 }] };
    expect(violations(evidence({ dialed: [calls], stored: [stored(seen(7000, 'p1'), 1)] }, spans))).toEqual([]);
    const [before, after] = [late, seen(12_000, 'p1')];
    const back = { dialed: [[before], [after]], stored: [stored(before, 2), stored(after, 1)], published: [] };
    expect(violations(evidence(back, { mayGoBack: [{ from: 11_500, until: 11_600 }] }))).toEqual([]);
  });

  test('takes a failed record for a call that was cut by a kill, none for one that was killed as it began, and no other for one that had ended', () => {
    const { outcome: _outcome, ...cut } = late;
    const killed = { killedAt: [late.endedAt] };
    const failed = stored(late, 2, { outcome: 'failed', seqs: [] });
    expect(violations(evidence({ dialed: [[early], [cut]], stored: [stored(early, 1), failed] }, killed))).toEqual([]);
    expect(violations(evidence({ dialed: [[early], [cut]], stored: [stored(early, 1)] }, killed))).toHaveLength(1);
    const afterwards = violations(evidence({ stored: [stored(early, 1), failed] }, { killedAt: [late.endedAt + 1] }));
    expect(afterwards[0]).toMatch(/^the record says failed/);
    const begun = { killedAt: [late.startedAt + 20] };
    expect(violations(evidence({ dialed: [[early], [cut]], stored: [stored(early, 1)] }, begun))).toEqual([]);
  });
});
