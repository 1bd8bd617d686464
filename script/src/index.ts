export {
  type CompiledScript,
  type CompiledStep,
  type CompileOptions,
  type CompileResult,
  compile,
  validate,
} from './compile/compile.ts';
export { demoScript } from './demo.ts';
export * from './interpreter/index.ts';
export { SCHEMA_ID, type ScriptDocument, type Step, scriptSchema } from './schema/document.ts';
export { type Outcome, STEP_TYPES, type StepType } from './schema/step-types.ts';
export { type SimulatedInput, type SimulationRequest, type SimulationResult, simulate } from './simulator/simulate.ts';
export { DEFAULT_EXEC_ALLOW } from './steps/index.ts';
export { ERROR_CODES, type Issue, type Validation, WARNING_CODES } from './validate/issue.ts';
export { RESERVED_TYPES } from './validate/shape.ts';
