export * from './agents.ts';
export * from './auth.ts';
export * from './calls.ts';
export * from './organizations.ts';
export * from './scripts.ts';
