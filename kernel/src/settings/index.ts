export * from './check.ts';
export * from './command-line.ts';
export * from './problem.ts';
export * from './read.ts';
export * from './show.ts';
export * from './variable.ts';
