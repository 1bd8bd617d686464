export { apiTokenRoutes } from './routes.ts';
export { apiTokens, isApiToken } from './tokens.ts';
