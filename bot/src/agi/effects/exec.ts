import type { Effect, EffectResult } from '@voiceoi/script';
import { exec as execCommand, getVariable } from '../command.ts';
import { type Dialogue, DONE, failed, failure, succeeded } from './dialogue.ts';

type Exec = Extract<Effect, { kind: 'exec' }>;

/** Asterisk evaluates `${…}` in arguments only where the dialplan has set AGIEXECFULL, and then it would evaluate what a value brought in. */
export async function exec(dialogue: Dialogue, effect: Exec): Promise<EffectResult> {
  const { application, arguments: words } = effect;
  if (words.some((text) => /\$[{[]/.test(text)) && (await evaluatesArguments(dialogue)))
    return failed('AGIEXECFULL is set on this channel: arguments with ${ or $[ are not passed on');
  const reply = await dialogue.send(execCommand(application, words));
  if (reply.code === 200 && reply.result === '-2') return { kind: 'unavailable' };
  return succeeded(reply) ? DONE : failure(dialogue, reply, `${application} failed`);
}

async function evaluatesArguments(dialogue: Dialogue): Promise<boolean> {
  const { code, value } = await dialogue.send(getVariable('AGIEXECFULL'));
  return code !== 200 || (value !== undefined && value !== '');
}
