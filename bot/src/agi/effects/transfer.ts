import type { Effect, EffectResult } from '@voiceoi/script';
import { exec, getVariable, setContext, setExtension, setPriority } from '../command.ts';
import { act, type Dialogue, DONE, failed, failure, GONE } from './dialogue.ts';

type Target = Extract<Effect, { kind: 'transfer' }>['target'];

export function transfer(dialogue: Dialogue, target: Target): Promise<EffectResult> {
  return target.kind === 'dial' ? dial(dialogue, target) : toDialplan(dialogue, target);
}

/** Tells the dialplan where to go on; it goes there when the connection closes. */
async function toDialplan(dialogue: Dialogue, target: Extract<Target, { kind: 'dialplan' }>): Promise<EffectResult> {
  const place = `${target.context},${target.extension},${target.priority}`;
  for (const command of [setContext(target.context), setExtension(target.extension), setPriority(target.priority)]) {
    const result = await act(dialogue, command, `the call cannot go on at ${place}`);
    if (result.kind !== 'done') return result;
  }
  return dialogue.hungUp ? GONE : DONE;
}

/** Values of DIALSTATUS; CANCEL is the caller who hung up while it rang. */
const DIALLED: ReadonlyMap<string, 'answered' | 'busy' | 'no_answer' | 'failed'> = new Map([
  ['ANSWER', 'answered'],
  ['BUSY', 'busy'],
  ['NOANSWER', 'no_answer'],
  ['CONGESTION', 'failed'],
  ['CHANUNAVAIL', 'failed'],
  ['DONTCALL', 'failed'],
  ['TORTURE', 'failed'],
  ['INVALIDARGS', 'failed'],
]);

/** `g`: the script goes on when the other side has hung up. An answered call stays answered, also when the caller ended it. */
async function dial(dialogue: Dialogue, target: Extract<Target, { kind: 'dial' }>): Promise<EffectResult> {
  const reply = await dialogue.send(exec('Dial', [target.dial, String(target.timeout_seconds), 'g']));
  if (reply.code === 200 && reply.result === '-2') return failed('this telephone system has no Dial');
  if (reply.code !== 200) return failure(dialogue, reply, 'dialling failed');
  const { value = '' } = await dialogue.send(getVariable('DIALSTATUS'));
  const status = DIALLED.get(value);
  if (status === 'answered') return { kind: 'dialled', status };
  if (reply.result === '-1') {
    const why = await failure(dialogue, reply, `dialling failed (${value})`);
    if (dialogue.hungUp || !status) return why;
  }
  return dialogue.hungUp ? GONE : { kind: 'dialled', status: status ?? 'failed' };
}
