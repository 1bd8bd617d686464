export {
  Frame,
  SCHEMA_ID,
  type ScriptDocument,
  type Step,
  type StepOf,
  scriptSchema,
  type Variable,
} from './document.ts';
export { LIMITS, STEP_NAME } from './fields.ts';
export { type Outcome, STEP_TYPES, type StepType } from './step-types.ts';
