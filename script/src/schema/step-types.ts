import type { TSchema } from 'typebox';
import * as steps from './steps.ts';

/** An outcome that a step can take. One that has to be wired has no `fallback`; else an unwired one counts as that. */
export interface Outcome {
  readonly name: string;
  readonly fallback?: 'default' | 'error';
}

/** What the language knows of a step type beside how it runs. */
export interface StepType {
  readonly schema: TSchema;
  /** In the order of the specification: the first is the default one, which `next` wires. */
  readonly outcomes: readonly Outcome[];
  /** Takes no time and no input: a cycle of these alone would never wait. */
  readonly instant: boolean;
  /** Needs a channel on which somebody listens: skipped once the caller is gone. */
  readonly live: boolean;
  /** Ends the call when it succeeds. */
  readonly ends: boolean;
}

const must = (name: string): Outcome => ({ name });
const may = (name: string): Outcome => ({ name, fallback: 'default' });
const orError = (name: string): Outcome => ({ name, fallback: 'error' });
const traits = <S extends TSchema>(
  schema: S,
  outcomes: readonly Outcome[],
  kind: Partial<Omit<StepType, 'schema' | 'outcomes'>> = {},
): StepType & { readonly schema: S } => ({
  schema,
  outcomes,
  instant: false,
  live: true,
  ends: false,
  ...kind,
});

/** Every step type of version 1, in the order in which the specification lists them. */
export const STEP_TYPES = {
  answer: traits(steps.AnswerStep, [must('done')]),
  play: traits(steps.PlayStep, [must('done'), may('digit')]),
  say: traits(steps.SayStep, [must('done'), may('digit')]),
  gather: traits(steps.GatherStep, [may('match'), must('timeout'), must('invalid')]),
  record: traits(steps.RecordStep, [must('done')]),
  wait: traits(steps.WaitStep, [must('done')]),
  set: traits(steps.SetStep, [must('done')], { instant: true, live: false }),
  branch: traits(steps.BranchStep, [], { instant: true, live: false }),
  split: traits(steps.SplitStep, [], { instant: true, live: false }),
  webhook: traits(steps.WebhookStep, [must('ok'), orError('timeout')], { live: false }),
  exec: traits(steps.ExecStep, [must('done'), orError('failed'), orError('unavailable')]),
  amd: traits(steps.AmdStep, [must('human'), must('machine'), may('unsure')]),
  transfer: traits(steps.TransferStep, [must('answered'), must('busy'), must('no_answer'), must('failed')], {
    ends: true,
  }),
  dispose: traits(steps.DisposeStep, [must('done')], { instant: true, live: false }),
  hangup: traits(steps.HangupStep, [], { live: false, ends: true }),
  return: traits(steps.ReturnStep, [], { live: false, ends: true }),
} as const satisfies { readonly [type: string]: StepType };
