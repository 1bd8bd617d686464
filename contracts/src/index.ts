export * from './api/index.ts';
export * from './bundle.ts';
export * from './change.ts';
export * from './ids.ts';
export * from './json.ts';
export * from './log-record.ts';
export * from './node-order.ts';
export * from './problem.ts';
