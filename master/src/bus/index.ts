export { type EventBus, startBus } from './bus.ts';
