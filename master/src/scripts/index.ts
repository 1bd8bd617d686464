export { scriptRoutes } from './routes.ts';
export { type ScriptService, scriptService } from './service.ts';
export { insertScript, latestVersion } from './store.ts';
