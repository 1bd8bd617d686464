import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GroupCommit } from './group-commit.ts';

interface Job {
  readonly done: () => void;
  readonly fail: (error: Error) => void;
}

/** A disk whose writes end when the test says so. */
function disk() {
  const writes: Job[] = [];
  const syncs: Job[] = [];
  const states: unknown[] = [];
  const job = (of: Job[]) => (): Promise<void> =>
    new Promise((resolve, reject) => of.push({ done: resolve, fail: reject }));
  const commit = new GroupCommit({
    write: job(writes),
    sync: job(syncs),
    onState: (problem) => states.push(problem),
    retryMs: 1000,
  });
  return { commit, writes, syncs, states };
}

async function isDone(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  await vi.advanceTimersByTimeAsync(0);
  return done;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a group commit', () => {
  test('is one write for all that end meanwhile, and those that come during it wait for the next', async () => {
    const { commit, writes } = disk();
    commit.wake();
    const first = commit.settled();
    commit.wake();
    const second = commit.settled();
    await vi.advanceTimersByTimeAsync(10);
    expect(writes).toHaveLength(1);
    commit.wake();
    const third = commit.settled();
    expect(await isDone(first)).toBe(false);
    writes[0]?.done();
    expect([await isDone(first), await isDone(second), await isDone(third)]).toEqual([true, true, false]);
    await vi.advanceTimersByTimeAsync(10);
    writes[1]?.done();
    expect(await isDone(third)).toBe(true);
    expect(writes).toHaveLength(2);
  });

  test('has the disk keep what calls left, right behind the write, and not more often than every 50 ms', async () => {
    const { commit, writes, syncs } = disk();
    const end = async () => {
      commit.wake();
      const settled = commit.settled();
      await vi.advanceTimersByTimeAsync(0);
      writes.at(-1)?.done();
      await settled;
    };
    await end();
    await vi.advanceTimersByTimeAsync(0);
    expect(syncs).toHaveLength(1);
    expect(commit.isDurable).toBe(false);
    await end();
    expect(syncs).toHaveLength(1);
    syncs[0]?.done();
    await vi.advanceTimersByTimeAsync(0);
    expect(commit.isDurable).toBe(false);
    await vi.advanceTimersByTimeAsync(50);
    expect(syncs).toHaveLength(2);
    syncs[1]?.done();
    await vi.advanceTimersByTimeAsync(0);
    expect(commit.isDurable).toBe(true);
    await vi.advanceTimersByTimeAsync(1000);
    expect(syncs).toHaveLength(2);
  });

  test('tries again to have the disk keep what it failed to, and tells of it', async () => {
    const { commit, writes, syncs, states } = disk();
    commit.wake();
    void commit.settled();
    await vi.advanceTimersByTimeAsync(0);
    writes[0]?.done();
    await vi.advanceTimersByTimeAsync(0);
    const problem = new Error('input/output error');
    syncs[0]?.fail(problem);
    await vi.advanceTimersByTimeAsync(1000);
    syncs[1]?.done();
    await vi.advanceTimersByTimeAsync(0);
    expect(states).toEqual([problem, undefined]);
    expect(commit.isDurable).toBe(true);
  });

  test('is at once for a call that ends alone, and gathers them for a few milliseconds when they are many', async () => {
    const { commit, writes } = disk();
    const end = (calls: number) => {
      for (let call = 0; call < calls; call++) {
        commit.wake();
        void commit.settled();
      }
    };
    const finish = async () => {
      writes.at(-1)?.done();
      await vi.advanceTimersByTimeAsync(0);
    };
    end(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(writes).toHaveLength(1);
    await finish();
    end(3);
    await vi.advanceTimersByTimeAsync(0);
    expect(writes).toHaveLength(2);
    await finish();
    end(1);
    await vi.advanceTimersByTimeAsync(4);
    end(1);
    expect(writes).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(writes).toHaveLength(3);
    await finish();
    await vi.advanceTimersByTimeAsync(1000);
    expect(writes).toHaveLength(3);
  });

  test('writes what nobody waits for too, without the cost of having the disk keep it', async () => {
    const { commit, writes, syncs } = disk();
    commit.wake();
    await vi.advanceTimersByTimeAsync(10);
    writes[0]?.done();
    await vi.advanceTimersByTimeAsync(1000);
    expect(writes).toHaveLength(1);
    expect(syncs).toHaveLength(0);
    expect(await isDone(commit.settled())).toBe(true);
    await vi.advanceTimersByTimeAsync(50);
    expect(syncs).toHaveLength(1);
  });

  test('of a disk that hangs keeps one call for a second and those after it not at all, until the disk is back', async () => {
    const { commit, writes } = disk();
    commit.wake();
    const first = commit.settled();
    await vi.advanceTimersByTimeAsync(999);
    expect(await isDone(first)).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await isDone(first)).toBe(true);
    commit.wake();
    expect(await isDone(commit.settled())).toBe(true);
    writes[0]?.done();
    await vi.advanceTimersByTimeAsync(10);
    writes[1]?.done();
    await vi.advanceTimersByTimeAsync(0);
    commit.wake();
    expect(await isDone(commit.settled())).toBe(false);
  });

  test('of a disk that fails keeps nobody, is tried again, and tells of the failure and its end once', async () => {
    const { commit, writes, states } = disk();
    const problem = new Error('no space');
    commit.wake();
    const first = commit.settled();
    await vi.advanceTimersByTimeAsync(10);
    const during = commit.settled();
    writes[0]?.fail(problem);
    expect([await isDone(first), await isDone(during)]).toEqual([true, true]);
    commit.wake();
    expect(await isDone(commit.settled())).toBe(true);
    await vi.advanceTimersByTimeAsync(1000);
    writes[1]?.fail(problem);
    await vi.advanceTimersByTimeAsync(1000);
    writes[2]?.done();
    await vi.advanceTimersByTimeAsync(0);
    expect(states).toEqual([problem, undefined]);
    expect(commit.isBroken).toBe(false);
  });

  test('makes everything durable at its end', async () => {
    const { commit, writes, syncs } = disk();
    commit.wake();
    const stopped = commit.stop();
    await vi.advanceTimersByTimeAsync(0);
    writes[0]?.done();
    await vi.advanceTimersByTimeAsync(0);
    syncs[0]?.done();
    await stopped;
    await vi.advanceTimersByTimeAsync(60_000);
    expect([writes.length, syncs.length]).toEqual([1, 1]);
  });
});
