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
    return {
      queue,
      sender: new LogSender({ url, key, queue, log: options.log, flushMs: options.flushMs, onRejected }),
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
      const drained = Promise.all([...lanes.values()].map(({ sender }) => sender.drain()));
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        drained,
        new Promise((resolve) => {
          timer = setTimeout(resolve, withinMs);
        }),
      ]);
      clearTimeout(timer);
    },
    stats: () => ({ bytes: waiting(), ...counts }),
    stop: async () => {
      await Promise.race([
        Promise.all([...lanes.values()].map(({ sender }) => sender.stop())),
        new Promise((resolve) => setTimeout(resolve, 1000).unref()),
      ]);
    },
  };
}
