export type * from '../protocol.ts';
export { advance, start } from './interpreter.ts';
