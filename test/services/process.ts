import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A process as people start it, with what it has printed so far. */
export interface StartedProcess {
  readonly child: ChildProcess;
  /** Everything on standard output and error, in the order it came. */
  readonly output: () => string;
  /** Resolves when the output matches; rejects with the output when the process ends before, or after `timeoutMs`. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Exit code, once it has ended; 128 and the signal's number are not told apart from it. */
  readonly exited: Promise<number | null>;
  /** Sends SIGTERM and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a command with an environment of its own; only `PATH` and `HOME` are inherited. */
export function startProcess(
  command: string,
  words: readonly string[],
  options: { readonly cwd?: string; readonly env?: { readonly [name: string]: string } } = {},
): StartedProcess {
  const inherited = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' };
  const child = spawn(command, words, {
    cwd: options.cwd,
    env: { ...inherited, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const collect = (chunk: Buffer): void => {
    text += chunk.toString('utf8');
    child.emit('output');
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const exited = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    output: () => text,
    waitFor: (pattern, timeoutMs = 60_000) => waitFor(child, () => text, pattern, timeoutMs),
    exited,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return exited;
    },
  };
}

function waitFor(
  child: ChildProcess,
  output: () => string,
  pattern: RegExp,
  timeoutMs: number,
): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void): void => {
      clearTimeout(timer);
      child.off('output', look);
      child.off('close', onClose);
      act();
    };
    const look = (): void => {
      const match = pattern.exec(output());
      if (match) finish(() => resolve(match));
    };
    const fail = (why: string): void =>
      finish(() => reject(new Error(`${why}, without ${pattern} in its output:\n${output()}`)));
    const onClose = (): void => fail(`the process ended with ${child.exitCode}`);
    const timer = setTimeout(() => fail(`${timeoutMs} ms went by`), timeoutMs);
    child.on('output', look);
    child.on('close', onClose);
    look();
  });
}
