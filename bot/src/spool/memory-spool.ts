import type { Logger, Metrics } from '@voiceoi/kernel';
import type { LogSink } from './log-sink.ts';
import { RecordQueue } from './queue.ts';
import { LogSender } from './sender.ts';

interface MemorySpoolOptions {
  readonly masterUrl: string;
  /** Key of each organization. */
  readonly keys: ReadonlyMap<string, string>;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly flushMs: number;
  /** Bytes that may wait for each organization. */
  readonly budgetBytes?: number;
  /** First wait between tries; 1,000 by default. */
  readonly retryMs?: number;
  /** How long the master may take to answer; 30,000 by default. */
  readonly timeoutMs?: number;
}

const BUDGET_BYTES = 64 * 1024 * 1024;

interface Lane {
  readonly queue: RecordQueue;
  readonly sender: LogSender;
}

/** Records wait in memory until the master has them: enough for an outage of the master, not for the death of the node. */
export function memorySpool(options: MemorySpoolOptions): LogSink {
  const dropped = options.metrics.counter(
    'voiceoi_log_dropped_total',
    'Records that were dropped for want of room',
    [],
  );
  const deadLetters = options.metrics.counter('voiceoi_log_rejected_total', 'Records that the master refused', []);
  const bytes = options.metrics.gauge('voiceoi_log_spool_bytes', 'Records that wait to be sent', []);
  const counts = { dropped: 0, dead_letters: 0 };
  const lanes = new Map([...options.keys].map(([orgId, key]) => [orgId, lane(key)] as const));

  function lane(key: string): Lane {
    const queue = new RecordQueue(options.budgetBytes ?? BUDGET_BYTES);
    const onRejected = (count: number): void => {
      counts.dead_letters += count;
      deadLetters.inc(count);
    };
    const url = `${options.masterUrl}/api/sync/logs`;
    const { log, flushMs, retryMs = 1000, timeoutMs = 30_000 } = options;
    return {
      queue,
      sender: new LogSender({ url, key, queue, log, flushMs, onRejected, retryMs, timeoutMs }),
    };
  }
  const waiting = (): number => [...lanes.values()].reduce((sum, { queue }) => sum + queue.bytes, 0);
  Object.assign(bytes, { collect: () => bytes.set(waiting()) });

  return {
    append: (orgId, records) => {
      const target = lanes.get(orgId);
      if (!target) return;
      const lost = target.queue.push(records);
      counts.dropped += lost;
      if (lost > 0) dropped.inc(lost);
      target.sender.wake();
    },
    flush: async (withinMs) => {
      const over = AbortSignal.timeout(withinMs);
      const drained = Promise.all([...lanes.values()].map(({ sender }) => sender.drain(over)));
      // A request under way may outlast the time that there is.
      await Promise.race([drained, new Promise((resolve) => over.addEventListener('abort', resolve))]);
    },
    stats: () => ({ bytes: waiting(), ...counts }),
    stop: async () => {
      await Promise.all([...lanes.values()].map(({ sender }) => sender.stop()));
    },
  };
}
