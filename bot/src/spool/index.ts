export type { LogSink, SpoolStats } from './log-sink.ts';
export { memorySpool } from './memory-spool.ts';
export type { QueuedRecord } from './queue.ts';
