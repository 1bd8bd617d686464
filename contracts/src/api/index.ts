export * from './agents.ts';
export * from './auth.ts';
export * from './calls.ts';
export * from './keys.ts';
export * from './nodes.ts';
export * from './organizations.ts';
export * from './scripts.ts';
