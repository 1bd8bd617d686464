export { accessTokens } from './access-token.ts';
export { authRoutes } from './routes.ts';
export { type AuthService, authService, createAdministrator, ensureAdministrator } from './service.ts';
