import { constants } from 'node:os';
import type { Logger } from './log.ts';

interface Lifecycle {
  readonly log: Logger;
  /** Stops in order: not ready, no new work, finish what is in flight, flush. */
  readonly stop: () => Promise<void>;
}

/**
 * Runs until SIGTERM or SIGINT, then stops in order and exits 0; a second signal ends the process at once. An error that
 * nobody caught is logged and ends it with 1, since what it left behind is unknown.
 */
export function runUntilSignal({ log, stop }: Lifecycle): void {
  let stopping = false;
  const onSignal = (signal: 'SIGTERM' | 'SIGINT'): void => {
    if (stopping) {
      log.warn({ signal }, 'second signal: ending at once');
      return end(log, 128 + constants.signals[signal]);
    }
    stopping = true;
    log.info({ signal }, 'stopping: finishing what is in flight (a second signal ends at once)');
    stop().then(
      () => {
        log.info('stopped');
        end(log, 0);
      },
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed');
        end(log, 1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  const onUncaught = (error: unknown): void => {
    log.fatal({ err: error }, 'unexpected error: the process ends');
    end(log, 1);
  };
  process.on('uncaughtException', onUncaught);
  process.on('unhandledRejection', onUncaught);
}

/** Longest time that the last lines are waited for. */
const LAST_WORDS_MS = 500;
/** A reader that is gone shows a moment behind the flush. */
const GONE_MS = 50;

/**
 * Exits once the log is written. At an exit with lines that are not, the logger tries for ever to write them: to a reader that is gone, as when
 * whoever has started the process was killed, it would never end.
 */
function end(log: Logger, code: number): void {
  const exit = (): never => process.exit(code);
  setTimeout(exit, LAST_WORDS_MS);
  log.flush(() => setTimeout(exit, GONE_MS));
}
