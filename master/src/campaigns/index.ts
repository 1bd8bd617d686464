export { campaignRoutes } from './routes.ts';
export { insertCampaign } from './store.ts';
