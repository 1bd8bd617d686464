import { ValueError } from '../expression/index.ts';
import type { StepOf } from '../schema/index.ts';
import { compileChannelVariables } from './channel-variables.ts';
import type { CompileStep, RunnableStep } from './definition.ts';

export const compileSet: CompileStep<StepOf<'set'>> = (step, fields): RunnableStep => {
  const values = Object.entries(step.values ?? {}).map(([name, text]) => ({
    name,
    evaluate: fields.expression(text, 'values', name),
  }));
  const channel = compileChannelVariables(step.channel ?? {}, fields, 'channel');
  return {
    enter: (run) => {
      // All at once: the order of names in a JSON object means nothing, and the database does not keep it.
      const results = values.map(({ name, evaluate }) => ({ name, value: evaluate(run.scope) }));
      for (const { name, value } of results) run.assign(name, value);
      const variables = channel(run);
      return variables.length > 0 ? { effect: { kind: 'channel', variables } } : { outcome: 'done' };
    },
    resume: () => ({ outcome: 'done' }),
  };
};

export const compileBranch: CompileStep<StepOf<'branch'>> = (step, fields): RunnableStep => {
  const cases = step.cases.map(({ when, next }, index) => ({
    next,
    test: fields.condition(when, 'cases', index, 'when'),
  }));
  return {
    enter: (run) => {
      const target = cases.find(({ test }) => isTrue(test(run.scope)))?.next ?? step.else;
      return { goto: target, label: target };
    },
  };
};

function isTrue(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new ValueError('the condition is neither true nor false');
  return value;
}

/** The arm depends on call and step alone, so that a call that is taken up elsewhere goes the same way. */
export const compileSplit: CompileStep<StepOf<'split'>> = (step, fields): RunnableStep => {
  const total = step.arms.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0)) fields.problem('SCHEMA', 'at least one arm needs a weight above 0', 'arms');
  return {
    enter: (run) => {
      const arm = chooseArm(step.arms, total * fraction(`${run.context.facts.id}/${run.step}`));
      run.chooseArm(arm.name);
      return { goto: arm.next, label: arm.name };
    },
  };
};

type Arm = StepOf<'split'>['arms'][number];

function chooseArm(arms: readonly Arm[], point: number): Arm {
  let passed = 0;
  for (const arm of arms) {
    passed += arm.weight;
    if (point < passed) return arm;
  }
  const last = arms.findLast(({ weight }) => weight > 0) ?? arms[0];
  if (!last) throw new ValueError('a split without arms');
  return last;
}

/** A number from 0 up to 1 that depends on the text alone: FNV-1a with a final mix (Murmur3's), since FNV's high bits are poor. */
export function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000;
}

export const compileDispose: CompileStep<StepOf<'dispose'>> = (step, fields): RunnableStep => {
  const comment = step.comment === undefined ? undefined : fields.template(step.comment, 'comment');
  const named = Object.entries(step.fields ?? {}).map(([name, text]) => ({
    name,
    print: fields.template(text, 'fields', name),
  }));
  return {
    enter: (run) => {
      run.dispose({
        disposition: step.disposition,
        comment: comment?.(run.scope).slice(0, 4096),
        fields:
          step.fields && Object.fromEntries(named.map(({ name, print }) => [name, print(run.scope).slice(0, 1024)])),
      });
      return { outcome: 'done' };
    },
  };
};
