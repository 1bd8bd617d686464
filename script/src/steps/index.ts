import type { Step, StepOf } from '../schema/index.ts';
import { compileBranch, compileDispose, compileSet, compileSplit } from './deciding.ts';
import type { CompileStep, FieldCompiler, RunnableStep } from './definition.ts';
import { compileHangup, compileReturn, compileTransfer } from './ending.ts';
import { compileGather } from './gather.ts';
import { compileAmd, compileExec, compileRecord, compileWebhook } from './outside.ts';
import { compileAnswer, compilePlay, compileSay, compileWait } from './playing.ts';

const COMPILERS: { readonly [T in Step['type']]: CompileStep<StepOf<T>> } = {
  answer: compileAnswer,
  play: compilePlay,
  say: compileSay,
  gather: compileGather,
  record: compileRecord,
  wait: compileWait,
  set: compileSet,
  branch: compileBranch,
  split: compileSplit,
  webhook: compileWebhook,
  exec: compileExec,
  amd: compileAmd,
  transfer: compileTransfer,
  dispose: compileDispose,
  hangup: compileHangup,
  return: compileReturn,
};

/** Makes a step ready to run; what is wrong with its fields is told to `fields`. */
export function compileStep(step: Step, fields: FieldCompiler): RunnableStep {
  const compile = COMPILERS[step.type] as CompileStep<Step>;
  return compile(step, fields);
}

export { fraction } from './deciding.ts';
export type { FieldCompiler, Next, RunnableStep, StepRun } from './definition.ts';
export { DEFAULT_EXEC_ALLOW } from './outside.ts';
