import { type StartedProcess, startProcess } from '../services/process.ts';
import { eventually, ROOT } from '../services/standalone.ts';

/** A stretch of time by `performance.now()`; without an end it lasts. */
export interface Span {
  readonly from: number;
  until: number | undefined;
}

/** A master or a node: one process at a time, always on the same ports. */
export interface Machine {
  readonly name: string;
  readonly opsPort: number;
  /** Changed settings hold from the next start. */
  readonly settings: { [name: string]: string | number };
  /** When it was not there to take anything: from a signal until it was ready again. */
  readonly away: readonly Span[];
  /** When it was killed without warning. */
  readonly killedAt: readonly number[];
  /** Starts it; resolves once its port listens. */
  start(): Promise<void>;
  /** Resolves once it says that it is ready. */
  ready(timeoutMs?: number): Promise<void>;
  /** Resolves once it does what `word` says, in what it has printed since it was last started. */
  says(word: RegExp, timeoutMs?: number): Promise<void>;
  /** What it has printed since it was last started. */
  output(): string;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
}

interface MachineOptions {
  readonly name: string;
  /** Of what was built, from the root. */
  readonly entry: string;
  readonly running: RegExp;
  readonly settings: { readonly [name: string]: string | number };
  readonly opsPort: number;
}

export function machine({ name, entry, running, settings: first, opsPort }: MachineOptions): Machine {
  const settings = { ...first };
  const away: Span[] = [{ from: 0, until: undefined }];
  const killedAt: number[] = [];
  let process_: StartedProcess | undefined;
  const leave = (): void => {
    if (away.at(-1)?.until !== undefined) away.push({ from: performance.now(), until: undefined });
  };
  const current = (): StartedProcess => {
    if (!process_) throw new Error(`${name} was never started`);
    return process_;
  };
  return {
    name,
    opsPort,
    settings,
    away,
    killedAt,
    start: async () => {
      const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
      process_ = startProcess(process.execPath, [entry, ...words], { cwd: ROOT });
      await process_.waitFor(running);
    },
    ready: async (timeoutMs = 20_000) => {
      const ask = async (): Promise<string> =>
        fetch(`http://127.0.0.1:${opsPort}/readyz`)
          .then((response) => response.text().then((text) => (response.ok ? 'ready' : text)))
          .catch(String);
      await eventually(ask, (answer) => answer === 'ready', timeoutMs);
      const last = away.at(-1);
      if (last) last.until ??= performance.now();
    },
    says: async (word, timeoutMs = 20_000) => void (await current().waitFor(word, timeoutMs)),
    output: () => current().output(),
    stop: () => {
      leave();
      return current().stop();
    },
    kill: async () => {
      leave();
      killedAt.push(performance.now());
      await process_?.stop('SIGKILL');
    },
  };
}

/** Whether a moment, or any of it up to `until`, lies within one of the spans. */
export function within(spans: readonly Span[], from: number, until = from): boolean {
  return spans.some((span) => span.from <= until && (span.until ?? Number.POSITIVE_INFINITY) >= from);
}
