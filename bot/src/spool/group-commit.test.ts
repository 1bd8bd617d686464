import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GroupCommit } from './group-commit.ts';

/** A disk whose writes end when the test says so. */
function disk() {
  const writes: { readonly isDurable: boolean; readonly done: () => void; readonly fail: (error: Error) => void }[] =
    [];
  const states: unknown[] = [];
  const commit = new GroupCommit({
    write: (isDurable) => new Promise((resolve, reject) => writes.push({ isDurable, done: resolve, fail: reject })),
    onState: (problem) => states.push(problem),
    retryMs: 1000,
  });
  return { commit, writes, states };
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
  test('is one durable write for all that end meanwhile, and those that come during it wait for the next', async () => {
    const { commit, writes } = disk();
    commit.wake();
    const first = commit.settled();
    commit.wake();
    const second = commit.settled();
    await vi.advanceTimersByTimeAsync(5);
    expect(writes.map(({ isDurable }) => isDurable)).toEqual([true]);
    commit.wake();
    const third = commit.settled();
    expect(await isDone(first)).toBe(false);
    writes[0]?.done();
    expect([await isDone(first), await isDone(second), await isDone(third)]).toEqual([true, true, false]);
    expect(commit.isDurable).toBe(false);
    await vi.advanceTimersByTimeAsync(5);
    writes[1]?.done();
    expect(await isDone(third)).toBe(true);
    expect(commit.isDurable).toBe(true);
    expect(writes).toHaveLength(2);
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

  test('writes what nobody waits for too, without the cost of making it durable', async () => {
    const { commit, writes } = disk();
    commit.wake();
    await vi.advanceTimersByTimeAsync(5);
    writes[0]?.done();
    await vi.advanceTimersByTimeAsync(1000);
    expect(writes.map(({ isDurable }) => isDurable)).toEqual([false]);
    const settled = commit.settled();
    await vi.advanceTimersByTimeAsync(5);
    expect(writes[1]?.isDurable).toBe(true);
    writes[1]?.done();
    expect(await isDone(settled)).toBe(true);
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
    await vi.advanceTimersByTimeAsync(5);
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
    await vi.advanceTimersByTimeAsync(5);
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
    const { commit, writes } = disk();
    commit.wake();
    const stopped = commit.stop();
    await vi.advanceTimersByTimeAsync(0);
    expect(writes.map(({ isDurable }) => isDurable)).toEqual([true]);
    writes[0]?.done();
    await stopped;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(writes).toHaveLength(1);
  });
});
