export { type DiskSpool, diskSpool } from './disk-spool.ts';
export type { LogSink, SpoolStats } from './log-sink.ts';
export type { KilledRecord, QueuedRecord } from './record.ts';
