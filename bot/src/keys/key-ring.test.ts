import { describe, expect, test } from 'vitest';
import { keyOf } from '../../../test/services/sync-world.ts';
import { askWithKeys } from './ask.ts';
import { createKeyRing, type KeyChange } from './key-ring.ts';

const [one, two, three] = [1, 2, 3].map((generation) => keyOf('abc', generation).text) as [string, string, string];
const other = keyOf('other').text;
const generations = (ring: ReturnType<typeof createKeyRing>, org = 'abc') =>
  ring
    .of(org)
    .held()
    .map(({ key }) => key.generation);

describe('a ring of keys', () => {
  test('serves the organizations that its keys name, and holds their keys in the order that they came in', () => {
    const ring = createKeyRing([two, other, one, two, 'rubbish']);
    expect(ring.organizations()).toEqual(['abc', 'other']);
    expect(generations(ring)).toEqual([2, 1]);
    expect([ring.serves('abc'), ring.serves('nobody')]).toEqual([true, false]);
    expect(ring.of('abc').ofGeneration('1')?.generation).toBe(1);
    expect(ring.of('abc').ofGeneration('3')).toBeUndefined();
  });

  test('tells what came, what went and what is another, once, and nothing when all is as it was', () => {
    const ring = createKeyRing([one]);
    const changes: KeyChange[] = [];
    ring.onChange((change) => changes.push(change));
    ring.replace([one]);
    ring.replace([two, one, other]);
    ring.replace([two, one]);
    expect(changes).toEqual([
      { added: ['other'], removed: [], renewed: ['abc'] },
      { added: [], removed: ['other'], renewed: [] },
    ]);
  });

  test('keeps the last keys of an organization that went: its records are still to be sent', () => {
    const ring = createKeyRing([one]);
    const keys = ring.of('abc');
    ring.replace([]);
    expect(ring.organizations()).toEqual([]);
    expect(ring.serves('abc')).toBe(false);
    expect(keys.held().map(({ text }) => text)).toEqual([one]);
  });

  test('is seen as it is by whoever asked for an organization before it came', () => {
    const ring = createKeyRing([]);
    const keys = ring.of('abc');
    expect(keys.held()).toEqual([]);
    ring.replace([two]);
    expect(keys.held().map(({ text }) => text)).toEqual([two]);
  });

  test('keeps a key that stays as the same object', () => {
    const ring = createKeyRing([one]);
    const before = ring.of('abc').ofGeneration('1');
    ring.replace([two, one]);
    expect(ring.of('abc').ofGeneration('1')).toBe(before);
  });
});

describe('asking the master', () => {
  const master = (good: readonly string[]) => {
    const asked: string[] = [];
    const ask = async (key: string) => {
      asked.push(key);
      return { status: good.includes(key) ? 200 : 401 };
    };
    return { asked, ask };
  };

  test('takes the next key when the master does not know one, and goes on with the one that worked', async () => {
    const ring = createKeyRing([three, two, one]);
    const { asked, ask } = master([two]);
    expect(await askWithKeys(ring.of('abc'), ask)).toEqual({ status: 200 });
    expect(await askWithKeys(ring.of('abc'), ask)).toEqual({ status: 200 });
    expect(asked).toEqual([three, two, two]);
  });

  test('begins with the first key again when there are others', async () => {
    const ring = createKeyRing([two, one]);
    const { asked, ask } = master([one, three]);
    await askWithKeys(ring.of('abc'), ask);
    ring.replace([three, two]);
    await askWithKeys(ring.of('abc'), ask);
    expect(asked).toEqual([two, one, three]);
  });

  test('says what the master said when it knows none, and asks with no other key for any other answer', async () => {
    const ring = createKeyRing([two, one]);
    const { asked, ask } = master([]);
    expect(await askWithKeys(ring.of('abc'), ask)).toEqual({ status: 401 });
    expect(asked).toEqual([two, one]);
    for (const status of [403, 404, 500, 503])
      expect(await askWithKeys(ring.of('abc'), async (key) => ({ status, key }))).toEqual({ status, key: two });
    await expect(askWithKeys(createKeyRing([]).of('abc'), ask)).rejects.toThrow('no key of abc');
  });
});
