export { checkGraph } from './graph.ts';
export { ERROR_CODES, type Issue, Issues, type Validation, WARNING_CODES } from './issue.ts';
export { checkShape, RESERVED_TYPES } from './shape.ts';
export { checkWiring, outcomesOf, traitsOf, wiringOf } from './wiring.ts';
