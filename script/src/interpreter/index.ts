export { advance, start } from './interpreter.ts';
export type * from './protocol.ts';
