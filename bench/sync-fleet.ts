import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Plan, Said } from './sync-nodes.ts';

/** Nodes in processes of their own. */
export interface Fleet {
  readonly nodes: number;
  /** When the last of them had a revision, in wall-clock milliseconds; waits for it. */
  reached(revision: number): Promise<number>;
  /** Processor time of all of its processes so far, and how long nodes took over each message since this was last asked. */
  used(): Promise<{ readonly cpuMs: number; readonly applyMs: readonly number[] }>;
  /** Longest time from the first line of the program to all nodes being playable. */
  readonly startMs: number;
  stop(): void;
}

const SLOWEST_MS = 20_000;

/** Starts as many nodes as the plan says in so many processes; resolves once each has a revision. */
export async function startFleet(plan: Plan, processes = 1): Promise<Fleet> {
  const each = { ...plan, nodes: plan.nodes / processes };
  const members = await Promise.all(Array.from({ length: processes }, () => startMember(each)));
  return {
    nodes: plan.nodes,
    startMs: Math.max(...members.map(({ startMs }) => startMs)),
    reached: async (revision) => Math.max(...(await Promise.all(members.map((member) => member.reached(revision))))),
    used: async () => {
      const all = await Promise.all(members.map((member) => member.used()));
      return {
        cpuMs: all.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
        applyMs: all.flatMap(({ applyMs }) => applyMs),
      };
    },
    stop: () => {
      for (const { child } of members) child.disconnect();
    },
  };
}

async function startMember(plan: Plan) {
  const child = spawn(process.execPath, ['--conditions=source', 'bench/sync-nodes.ts', JSON.stringify(plan)], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const times = new Map<number, number>();
  child.on('message', (said: Said) => {
    if (said.kind === 'reached') times.set(said.revision, said.at);
    child.emit(said.kind, said);
  });
  const { startMs } = await next<'ready'>(child, 'ready');
  return {
    child,
    startMs,
    reached: async (revision: number): Promise<number> => {
      for (;;) {
        const at = times.get(revision);
        if (at !== undefined) return at;
        await next(child, 'reached');
      }
    },
    used: () => {
      const answer = next<'used'>(child, 'used');
      child.send('used');
      return answer;
    },
  };
}

function next<K extends Said['kind']>(child: ChildProcess, kind: K): Promise<Extract<Said, { kind: K }>> {
  return new Promise((resolve, reject) => {
    const onEnd = (): void => reject(new Error('a process of nodes has ended'));
    const timer = setTimeout(() => reject(new Error(`no node has ${kind} within ${SLOWEST_MS} ms`)), SLOWEST_MS);
    child.once('exit', onEnd);
    child.once(kind, (said) => {
      clearTimeout(timer);
      child.off('exit', onEnd);
      resolve(said);
    });
  });
}
