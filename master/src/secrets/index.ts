export { atRest } from './at-rest.ts';
export { secretRoutes } from './routes.ts';
export { secretSource } from './source.ts';
