export { createOutbound, type Outbound } from './request.ts';
