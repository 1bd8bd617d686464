export { insertFirstKey, keyRoutes, mustExist, type OrgKeys, orgKeys } from './keys.ts';
