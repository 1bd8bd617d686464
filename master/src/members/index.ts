export { trimInvitations } from './invitation-store.ts';
export { invitations } from './invitations.ts';
export { memberRoles } from './roles.ts';
export { memberRoutes } from './routes.ts';
