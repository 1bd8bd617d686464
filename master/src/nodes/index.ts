export { startNodes } from './nodes.ts';
export { nodeOrders } from './orders.ts';
export { type ServingNode, servingNodes } from './store.ts';
