export {
  type CompiledScript,
  type CompiledStep,
  type CompileOptions,
  type CompileResult,
  compile,
  validate,
} from './compile/index.ts';
export { demoScript } from './demo.ts';
export * from './interpreter/index.ts';
export {
  type Outcome,
  SCHEMA_ID,
  type ScriptDocument,
  STEP_TYPES,
  type Step,
  type StepType,
  scriptSchema,
} from './schema/index.ts';
export { type SimulatedInput, type SimulationRequest, type SimulationResult, simulate } from './simulator/index.ts';
export { DEFAULT_EXEC_ALLOW } from './steps/index.ts';
export { ERROR_CODES, type Issue, RESERVED_TYPES, type Validation, WARNING_CODES } from './validate/index.ts';
