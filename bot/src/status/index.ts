export { type DrainOrders, drainOrders } from './drain-orders.ts';
export { type StatusReports, startStatusReports } from './node-status.ts';
