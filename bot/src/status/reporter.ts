import { type NodeStatus, NodeStatusAnswer } from '@voiceoi/contracts';
import { backoff, type Logger, pause } from '@voiceoi/kernel';
import { Compile } from 'typebox/compile';
import { askWithKeys, type OrgKeys } from '../keys/index.ts';

/** How often the master is told. */
export interface ReportRhythm {
  /** Without any news. */
  readonly everyMs: number;
  /** How often the number of calls is looked at: with the way to the master it has to stay under 5 s. */
  readonly callsMs: number;
  /** Least time between two statuses: news that come faster go together. */
  readonly spacingMs: number;
  /** First wait after a status that did not arrive, which doubles up to 30 s. */
  readonly retryMs: number;
  readonly random: () => number;
}

export const REPORT_RHYTHM: ReportRhythm = {
  everyMs: 30_000,
  callsMs: 4000,
  spacingMs: 250,
  retryMs: 1000,
  random: Math.random,
};

interface ReporterOptions {
  readonly url: string;
  readonly keys: OrgKeys;
  readonly rhythm: ReportRhythm;
  readonly log: Logger;
  /** The status as it is now, and what is to become of its answer. */
  readonly ask: () => {
    readonly status: NodeStatus;
    readonly onAnswer: (entry: NodeStatusAnswer['organizations'][number]) => void;
  };
}

/** Tells the master of this node, for one organization, until it is stopped. */
export interface Reporter {
  /** There is news. */
  wake(): void;
  /** What kept the master from answering may be over: it is asked at once. */
  retry(): void;
  /** The number of calls that the master was last told of. */
  readonly toldCalls: number | undefined;
  stop(): Promise<void>;
}

const TIMEOUT_MS = 10_000;
const answer = Compile(NodeStatusAnswer);

export function startReporter(options: ReporterOptions): Reporter {
  return new RunningReporter(options);
}

class RunningReporter implements Reporter {
  readonly #options: ReporterOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  /** Ends the wait for the next status. */
  #news = new AbortController();
  /** Ends the wait for the next try. */
  #again = new AbortController();
  #problem: string | undefined;
  toldCalls: number | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  wake(): void {
    this.#news.abort();
  }

  retry(): void {
    this.#again.abort();
    this.wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.retry();
    await this.#running;
  }

  /** While the master is away, news do not make it be asked more often. */
  async #run(): Promise<void> {
    const { rhythm } = this.#options;
    const { signal } = this.#stopping;
    const waits = backoff({ initialMs: rhythm.retryMs, random: rhythm.random });
    while (!signal.aborted) {
      this.#news = new AbortController();
      this.#again = new AbortController();
      const problem = await this.#send();
      this.#note(problem);
      if (problem !== undefined) {
        await pause(waits.next(), this.#again.signal);
        continue;
      }
      waits.reset();
      await pause(rhythm.spacingMs, signal);
      await pause(rhythm.everyMs - rhythm.spacingMs, this.#news.signal);
    }
  }

  /** Undefined when the master has answered, else what went wrong. */
  async #send(): Promise<string | undefined> {
    const { keys, ask } = this.#options;
    const { status, onAnswer } = ask();
    try {
      const body = JSON.stringify(status);
      const { isGood, status: code, value } = await askWithKeys(keys, (key) => this.#post(key, body));
      if (!isGood) return `the master answered ${code}`;
      const isOurs = ({ org_id }: { readonly org_id: string }): boolean => org_id === keys.orgId;
      const entry = answer.Check(value) ? value.organizations.find(isOurs) : undefined;
      if (!entry) return 'the master’s answer has another shape';
      this.toldCalls = status.calls.active;
      onAnswer(entry);
      return undefined;
    } catch {
      return 'the master does not answer';
    }
  }

  async #post(
    key: string,
    body: string,
  ): Promise<{ readonly isGood: boolean; readonly status: number; readonly value: unknown }> {
    const response = await fetch(this.#options.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-organization-secret': key },
      body,
      redirect: 'error',
      signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const value: unknown = await response.json().catch(() => undefined);
    return { isGood: response.ok, status: response.status, value };
  }

  #note(problem: string | undefined): void {
    const { log, keys } = this.#options;
    const { orgId } = keys;
    if (this.#stopping.signal.aborted || problem === this.#problem) return;
    if (problem === undefined) log.info({ org: orgId }, 'this node reports to the master again');
    else log.warn({ org: orgId }, `this node’s status does not reach the master: ${problem}`);
    this.#problem = problem;
  }
}
