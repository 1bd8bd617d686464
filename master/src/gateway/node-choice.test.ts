import { beforeEach, describe, expect, test } from 'vitest';
import { type Candidate, type NodeLoads, nodeLoads } from './node-choice.ts';

let now: number;
let loads: NodeLoads;
beforeEach(() => {
  now = 10_000;
  loads = nodeLoads(() => now);
});

function node(name: string, active: number, capacity = 100): Candidate {
  const address = { host: '10.0.0.1', port: 1, isTls: false };
  const facts = { key: `abc/${name}`, nodeId: name, isFromLoopback: false, url: address, agi: address, secret: 'voi_' };
  return { ...facts, active, capacity, reportedAt: 10_000 };
}
const chosen = (nodes: readonly Candidate[], tried: readonly string[] = []): string | undefined =>
  loads.choose('call', nodes, new Set(tried))?.nodeId;

describe('the next call', () => {
  test('goes to the node with the fewest, and to none without room', () => {
    expect(chosen([node('a', 3), node('b', 1), node('c', 2)])).toBe('b');
    expect(chosen([node('a', 3), node('b', 1, 1)])).toBe('a');
    expect(chosen([node('b', 1, 1)])).toBeUndefined();
    expect(chosen([])).toBeUndefined();
  });

  test('goes to any of those that are equal', () => {
    const equal = [node('a', 1), node('b', 1), node('c', 2)];
    const seen = new Set(Array.from({ length: 100 }, () => chosen(equal)));
    expect([...seen].sort()).toEqual(['a', 'b']);
  });

  test('counts what was sent since the last report, and what has ended', () => {
    const nodes = [node('a', 0), node('b', 1)];
    now += 1;
    const [first, second] = nodes.slice(0, 1).flatMap((a) => [loads.start('call', a), loads.start('call', a)]);
    expect(chosen(nodes)).toBe('b');
    now += 1;
    first?.end();
    second?.end();
    second?.end();
    expect(chosen(nodes)).toBe('a');
  });

  test('counts nothing twice that the node has reported meanwhile', () => {
    const [a, b] = [node('a', 0), node('b', 2)];
    now += 1;
    const flights = [loads.start('call', a), loads.start('call', a)];
    now += 1000;
    const reported = { ...a, active: 2, reportedAt: now };
    expect(chosen([reported, { ...b, active: 3 }])).toBe('a');
    now += 1;
    flights[0]?.end();
    expect(chosen([reported, { ...b, active: 1 }])).toMatch(/a|b/);
    flights[1]?.end();
    expect(chosen([reported, { ...b, active: 1 }])).toBe('a');
  });

  test('counts a request while it lasts, and not as a call that has ended', () => {
    const [a, b] = [node('a', 2), node('b', 3)];
    now += 1;
    const flight = loads.start('request', a);
    loads.start('request', a);
    expect(chosen([a, b])).toBe('b');
    flight.end();
    const reported = { ...a, reportedAt: now + 10 };
    now += 20;
    expect(chosen([reported, b])).toBe('a');
    expect(chosen([reported, { ...b, active: 1 }])).toBe('b');
  });

  test('leaves a node alone for 5 s that could not be reached in the same way', () => {
    const nodes = [node('a', 0), node('b', 1)];
    loads.avoid('call', node('a', 0));
    expect(chosen(nodes)).toBe('b');
    expect(loads.choose('request', nodes, new Set())?.nodeId).toBe('a');
    now += 5_000;
    expect(chosen(nodes)).toBe('a');
  });

  test('goes to no node that was tried', () => {
    expect(chosen([node('a', 0), node('b', 1)], ['abc/a'])).toBe('b');
    expect(chosen([node('a', 0)], ['abc/a'])).toBeUndefined();
  });
});
