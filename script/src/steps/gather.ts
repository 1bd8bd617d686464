import type { Json } from '@voiceoi/contracts';
import type { Evaluate } from '../expression/index.ts';
import type { StepOf } from '../schema/index.ts';
import type { CompileStep, EffectResult, Next, RunnableStep, StepRun } from './definition.ts';
import { compilePrompts } from './prompt.ts';

type GatherStep = StepOf<'gather'>;
type Gathered = Extract<EffectResult, { kind: 'gathered' }>;

/** Names in `on` that are outcomes of their own and no input. */
export const GATHER_RESERVED: ReadonlySet<string> = new Set(['match', 'timeout', 'invalid', 'error']);

/** One effect an attempt; what the caller brought is judged here. */
export const compileGather: CompileStep<GatherStep> = (step, fields): RunnableStep => {
  const minDigits = step.min_digits ?? 1;
  const maxDigits = step.max_digits ?? Math.max(1, minDigits);
  if (minDigits > maxDigits)
    fields.problem('SCHEMA', `min_digits is ${minDigits}, more than max_digits, ${maxDigits}`, 'min_digits');
  const prompts = compilePrompts(step.prompts ?? [], fields);
  const accept = step.accept === undefined ? undefined : fields.condition(step.accept, 'accept');
  const attempts = step.attempts ?? 1;
  const settings = {
    min_digits: minDigits,
    max_digits: maxDigits,
    terminator: step.terminator ?? '#',
    timeout_ms: step.timeout_ms ?? 5000,
    inter_digit_timeout_ms: step.inter_digit_timeout_ms ?? 2000,
    speech: step.input?.includes('speech') ?? false,
  };
  const judge = {
    minDigits,
    maxDigits,
    accept,
    keys: wiredKeys(step),
    hasMatch: fields.isWired('match'),
    save: step.save,
  };

  const attempt = (number: number, run: StepRun): Next => {
    run.keep(number);
    return { effect: { kind: 'gather', prompts: prompts.map((prompt) => prompt(run)), ...settings } };
  };
  return {
    enter: (run) => attempt(1, run),
    resume: (run, result) => {
      const outcome = result.kind === 'gathered' ? judgeInput(run, result, judge) : 'invalid';
      const number = Number(run.progress ?? 1);
      const isLast = number >= attempts;
      return (outcome === 'timeout' || outcome === 'invalid') && !isLast ? attempt(number + 1, run) : { outcome };
    },
  };
};

interface Judge {
  readonly minDigits: number;
  readonly maxDigits: number;
  readonly accept: Evaluate | undefined;
  /** By the input in lower case, the key as it is wired. */
  readonly keys: ReadonlyMap<string, string>;
  readonly hasMatch: boolean;
  readonly save: string | undefined;
}

function judgeInput(run: StepRun, gathered: Gathered, judge: Judge): string {
  const speech = gathered.speech?.trim() ?? '';
  const { digits } = gathered;
  if (digits === '' && speech === '') return gathered.ended_by === 'timeout' ? 'timeout' : 'invalid';
  // Both, so that nothing of an earlier gather is left beside what this one brought.
  run.bring('digits', digits, true);
  run.bring('speech', speech, true);
  const enough = digits.length >= judge.minDigits && digits.length <= judge.maxDigits;
  if (digits !== '' && !enough) return 'invalid';
  if (judge.accept && judge.accept(run.scope) !== true) return 'invalid';
  const value = digits !== '' ? digits : speech;
  const outcome = judge.keys.get(value.toLowerCase()) ?? (judge.hasMatch ? 'match' : 'invalid');
  if (outcome !== 'invalid' && judge.save) run.assign(judge.save, value satisfies Json);
  return outcome;
}

function wiredKeys(step: GatherStep): ReadonlyMap<string, string> {
  const names = Object.keys(step.on ?? {}).filter((name) => !GATHER_RESERVED.has(name));
  return new Map(names.map((name) => [name.toLowerCase(), name]));
}
