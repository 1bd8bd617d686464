export * from './interpreter/protocol.ts';
