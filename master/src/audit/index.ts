export { INSTANCE } from './entry.ts';
export { originOf, systemOrigin, userActor, withOrigin } from './origin.ts';
export { type Happening, record } from './record.ts';
export { describeChains, parseHead } from './report.ts';
export { auditRoutes } from './routes.ts';
export { verifyAudit } from './verify.ts';
