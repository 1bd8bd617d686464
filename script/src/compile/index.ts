export {
  type CompiledScript,
  type CompiledStep,
  type CompileOptions,
  type CompileResult,
  compile,
  validate,
} from './compile.ts';
