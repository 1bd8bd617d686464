export { compileExpression, type Evaluate, type Scope } from './expression.ts';
export type { KnownNames } from './names.ts';
export { compileTemplate, type Print } from './template.ts';
export {
  type CelValue,
  fromOutside,
  fromState,
  jsonToState,
  toPlainJson,
  toState,
  VALUE_LIMITS,
  ValueError,
} from './values.ts';
export { renewWork } from './work.ts';
