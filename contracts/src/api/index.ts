export * from './agents.ts';
export * from './audit.ts';
export * from './auth.ts';
export * from './calls.ts';
export * from './members.ts';
export * from './nodes.ts';
export * from './organizations.ts';
export * from './scripts.ts';
