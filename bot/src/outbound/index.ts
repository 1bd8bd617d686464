export { createOutbound, type Outbound } from './request.ts';
export type { HttpEffect } from './send.ts';
