export { createDesk, type NodeDesk } from './desk.ts';
export type * from './ports.ts';
export { killedRecord } from './records.ts';
export type * from './turn-ports.ts';
