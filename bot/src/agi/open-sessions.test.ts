import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OpenSessions } from './open-sessions.ts';

class Session {
  place = -1;
  readonly name: number;
  constructor(name: number) {
    this.name = name;
  }
}

function namesOf(sessions: OpenSessions<Session>): readonly number[] {
  const names: number[] = [];
  sessions.forEach(({ name }) => void names.push(name));
  return names.sort((a, b) => a - b);
}

describe('open sessions', () => {
  test('are those that were added and not removed, in any order of events', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 100 }), (choices) => {
        const sessions = new OpenSessions<Session>();
        const expected = new Map<number, Session>();
        for (const [name, choice] of choices.entries()) {
          const old = [...expected.values()][choice];
          if (old) {
            sessions.remove(old);
            sessions.remove(old);
            expected.delete(old.name);
          } else {
            const session = new Session(name);
            sessions.add(session);
            expected.set(name, session);
          }
          expect(namesOf(sessions)).toEqual([...expected.keys()].sort((a, b) => a - b));
          expect(sessions.size).toBe(expected.size);
        }
      }),
    );
  });

  test('are each seen once although they go meanwhile', () => {
    const sessions = new OpenSessions<Session>();
    for (let name = 0; name < 10; name++) sessions.add(new Session(name));
    const seen: number[] = [];
    sessions.forEach((session) => {
      seen.push(session.name);
      sessions.remove(session);
    });
    expect(seen.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(sessions.size).toBe(0);
  });

  test('one that never was there is passed over', () => {
    const sessions = new OpenSessions<Session>();
    sessions.add(new Session(1));
    sessions.remove(new Session(2));
    expect(namesOf(sessions)).toEqual([1]);
  });
});
