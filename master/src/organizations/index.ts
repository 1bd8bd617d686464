export { organizationRoutes } from './routes.ts';
export { getOrganization, insertOrganization } from './store.ts';
