import { ValueError } from '../expression/index.ts';
import type { SayAs } from '../protocol.ts';
import type { StepOf } from '../schema/index.ts';
import type { CompileStep, EffectResult, Next, RunnableStep, StepRun } from './definition.ts';
import { compilePrompts, keys } from './prompt.ts';

export const compileAnswer: CompileStep<StepOf<'answer'>> = () => ({
  enter: () => ({ effect: { kind: 'answer' } }),
  resume: () => ({ outcome: 'done' }),
});

export const compileWait: CompileStep<StepOf<'wait'>> = (step) => ({
  enter: () => ({ effect: { kind: 'wait', ms: step.ms } }),
  resume: () => ({ outcome: 'done' }),
});

/** One effect a prompt; a key that interrupts one leaves the others out. */
export const compilePlay: CompileStep<StepOf<'play'>> = (step, fields): RunnableStep => {
  const prompts = compilePrompts(step.prompts, fields);
  const interrupt_digits = step.interrupt_digits ?? '';
  const playAt = (index: number, run: StepRun): Next => {
    const prompt = prompts[index];
    if (!prompt) return { outcome: 'done' };
    run.keep(index);
    return { effect: { kind: 'play', prompt: prompt(run), interrupt_digits } };
  };
  return {
    enter: (run) => playAt(0, run),
    resume: (run, result) => interrupted(run, result) ?? playAt(Number(run.progress ?? 0) + 1, run),
  };
};

export const compileSay: CompileStep<StepOf<'say'>> = (step, fields): RunnableStep => {
  const print = fields.template(step.value, 'value');
  return {
    enter: (run) => {
      const value = sayable(step.as, print(run.scope));
      const { timezone } = run.context;
      const zone = isDate(step.as) && timezone ? { timezone } : {};
      return { effect: { kind: 'say', as: step.as, value, interrupt_digits: step.interrupt_digits ?? '', ...zone } };
    },
    resume: (run, result) => interrupted(run, result) ?? { outcome: 'done' },
  };
};

function interrupted(run: StepRun, result: EffectResult): Next | undefined {
  if (result.kind !== 'played' || !result.digit) return undefined;
  run.bring('digits', result.digit, true);
  return { outcome: 'digit' };
}

function isDate(as: SayAs): boolean {
  return as === 'date' || as === 'time' || as === 'datetime';
}

/** The value as it goes on the wire, so that nothing odd does. */
function sayable(as: SayAs, text: string): string {
  const value = text.trim();
  if (isDate(as)) return epochSeconds(value);
  if (as === 'digits') return keys(value);
  if (as === 'number') {
    if (!/^-?\d{1,15}$/.test(value)) throw new ValueError(`"${value.slice(0, 80)}" is no whole number`);
    return String(Number(value));
  }
  if (!/^[\p{L}\p{N}\p{P}\p{S} ]{1,128}$/u.test(value) || /["\\]/.test(value))
    throw new ValueError(`"${value.slice(0, 80)}" cannot be spelled`);
  return value;
}

function epochSeconds(value: string): string {
  if (/^\d{1,12}(\.\d+)?$/.test(value)) return String(Math.floor(Number(value)));
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(value);
  const parsed = isTime ? Date.parse(value) : Number.NaN;
  if (!(parsed >= 0)) throw new ValueError(`"${value.slice(0, 80)}" is neither epoch seconds nor a time in RFC 3339`);
  return String(Math.floor(parsed / 1000));
}
