export type { LogSink, SpoolStats } from './log-sink.ts';
export { memorySpool } from './memory-spool.ts';
