export { createOutbound, type HttpEffect, type Outbound } from './request.ts';
