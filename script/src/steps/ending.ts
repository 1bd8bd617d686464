import { ValueError } from '../expression/index.ts';
import type { TransferTarget } from '../protocol.ts';
import type { StepOf } from '../schema/index.ts';
import { compileChannelVariables } from './channel-variables.ts';
import type { CompileStep, FieldCompiler, RunnableStep, StepRun } from './definition.ts';

export const compileHangup: CompileStep<StepOf<'hangup'>> = (step): RunnableStep => ({
  enter: (run) => {
    run.dispose({ disposition: step.disposition });
    // On a dead channel there is nothing left to hang up: the step only ends the script.
    if (run.hungUp) return { end: 'completed' };
    return { effect: { kind: 'hangup', ...(step.cause !== undefined && { cause: step.cause }) } };
  },
  resume: () => ({ end: 'completed' }),
});

export const compileReturn: CompileStep<StepOf<'return'>> = (step, fields): RunnableStep => {
  const channel = compileChannelVariables(step.variables ?? {}, fields, 'variables');
  return {
    enter: (run) => {
      run.dispose({ disposition: step.disposition });
      const variables = channel(run);
      return variables.length > 0 ? { effect: { kind: 'channel', variables } } : { end: 'completed' };
    },
    resume: () => ({ end: 'completed' }),
  };
};

export const compileTransfer: CompileStep<StepOf<'transfer'>> = (step, fields): RunnableStep => {
  const target = compileTarget(step.to, fields);
  return {
    enter: (run) => ({ effect: { kind: 'transfer', target: target(run) } }),
    resume: (run, result) => {
      if (result.kind === 'dialled' && result.status !== 'answered') return { outcome: result.status };
      run.dispose({ disposition: step.disposition });
      return result.kind === 'dialled' ? { outcome: 'answered' } : { end: 'transferred' };
    },
  };
};

type MakeTarget = (run: StepRun) => TransferTarget;

function compileTarget(to: StepOf<'transfer'>['to'], fields: FieldCompiler): MakeTarget {
  if ('ingroup' in to) return (run) => ingroupTarget(to.ingroup, run);
  if ('dial' in to) {
    const dial = fields.template(to.dial, 'to', 'dial');
    return (run) => ({ kind: 'dial', dial: address(dial(run.scope)), timeout_seconds: to.timeout_seconds ?? 30 });
  }
  const context = fields.template(to.context, 'to', 'context');
  const extension = fields.template(to.extension, 'to', 'extension');
  return (run) => ({
    kind: 'dialplan',
    context: address(context(run.scope)),
    extension: address(extension(run.scope)),
    priority: to.priority ?? 1,
  });
}

/**
 * VICIdial's extension that puts a call into an in-group without its API (extensions.conf, `90009*`):
 * in-group, lead and telephone number between asterisks.
 */
function ingroupTarget(ingroup: string, run: StepRun): TransferTarget {
  const { lead, facts } = run.context;
  const leadId = lead['id'] ?? lead['lead_id'] ?? '';
  if (!/^\d{1,10}$/.test(leadId)) throw new ValueError('a transfer to an in-group needs the lead’s id (lead.id)');
  const phone = facts.caller.number.replace(/[^0-9]/g, '');
  const user = (lead['user'] ?? '').replace(/[^A-Za-z0-9_-]/g, '');
  return {
    kind: 'dialplan',
    context: 'default',
    extension: `90009*${ingroup}**${leadId}**${phone}*${user}*`,
    priority: 1,
    ingroup,
  };
}

/** Text that names a context, an extension or a channel: nothing in it ends a command or adds an argument. */
function address(text: string): string {
  const value = text.trim();
  if (!/^[A-Za-z0-9_+*#@.:;=/&-]{1,256}$/.test(value))
    throw new ValueError(`"${value.slice(0, 80)}" is no address in a dialplan`);
  return value;
}
