export { organizationRoutes } from './routes.ts';
export { insertOrganization } from './store.ts';
