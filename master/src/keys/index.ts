export { insertFirstKey, type OrgKeys, orgKeys } from './keys.ts';
export { keyRoutes } from './routes.ts';
