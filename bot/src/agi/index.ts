export { type AgiServer, type AgiServerOptions, startAgiServer } from './server.ts';
