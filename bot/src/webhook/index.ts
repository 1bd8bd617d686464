export { startWebhookServer, type WebhookServer } from './server.ts';
