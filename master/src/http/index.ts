export {
  type Access,
  type Authenticators,
  actorOf,
  mayDo,
  mayGrant,
  type Principal,
  queryOf,
  requirePermission,
  userIdOf,
} from './access.ts';
export { createApp } from './app.ts';
export { bodyOptional } from './body-optional.ts';
export { checkIfMatch, etagOf, IF_MATCH } from './etag.ts';
export type { App, Feature } from './feature.ts';
export { ListQuery, Page, type PageRequest, pageOf, pageRequest } from './listing.ts';
export { mustExist } from './must-exist.ts';
export { route } from './openapi.ts';
export { notFound, type ProblemCode, ProblemError, validationFailed } from './problems.ts';
