export { type Access, type Authenticators, actorOf, type Principal } from './access.ts';
export { type App, createApp, type Feature } from './app.ts';
export { bodyOptional } from './body-optional.ts';
export { checkIfMatch, etagOf, IF_MATCH } from './etag.ts';
export { ListQuery, Page, type PageRequest, pageOf, pageRequest } from './listing.ts';
export { route } from './openapi.ts';
export { notFound, PROBLEMS, type ProblemCode, ProblemError, validationFailed } from './problems.ts';
