export { agentRoutes } from './agent-routes.ts';
export { logPartitions, type Partitions } from './partitions.ts';
export { logRoutes } from './routes.ts';
export { partitionDay, shiftDay } from './uuid-day.ts';
