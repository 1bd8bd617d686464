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
      process.exit(128 + constants.signals[signal]);
    }
    stopping = true;
    log.info({ signal }, 'stopping: finishing what is in flight (a second signal ends at once)');
    stop().then(
      () => {
        log.info('stopped');
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  const onUncaught = (error: unknown): void => {
    log.fatal({ err: error }, 'unexpected error: the process ends');
    process.exit(1);
  };
  process.on('uncaughtException', onUncaught);
  process.on('unhandledRejection', onUncaught);
}
