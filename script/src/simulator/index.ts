export { type SimulatedInput, type SimulationRequest, type SimulationResult, simulate } from './simulate.ts';
