export { startNodes } from './nodes.ts';
export { nodeOrders } from './orders.ts';
