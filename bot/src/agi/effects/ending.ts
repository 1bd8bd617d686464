import type { Effect, EffectResult } from '@voiceoi/script';
import * as commands from '../command.ts';
import { type Dialogue, DONE, failure, GONE, succeeded } from './dialogue.ts';

type Transfer = Extract<Effect, { kind: 'transfer' }>;
type Target = Transfer['target'];

export function transfer(dialogue: Dialogue, { target }: Transfer): Promise<EffectResult> {
  return target.kind === 'dial' ? dial(dialogue, target) : toDialplan(dialogue, target);
}

/** Tells the dialplan where to go on; it goes there when the connection closes. */
async function toDialplan(dialogue: Dialogue, target: Extract<Target, { kind: 'dialplan' }>): Promise<EffectResult> {
  for (const command of [
    commands.setContext(target.context),
    commands.setExtension(target.extension),
    commands.setPriority(target.priority),
  ]) {
    const reply = await dialogue.send(command);
    if (!succeeded(reply)) return failure(dialogue, reply, `${command.line} failed`);
  }
  return dialogue.isHungUp ? GONE : DONE;
}

const DIAL_STATUS: { readonly [status: string]: 'answered' | 'busy' | 'no_answer' | undefined } = {
  ANSWER: 'answered',
  BUSY: 'busy',
  NOANSWER: 'no_answer',
};

/** Longest conversation behind a Dial. */
const LONGEST_CALL_MS = 24 * 3600 * 1000;

/** `g`: the script goes on when the other side has hung up. */
async function dial(dialogue: Dialogue, target: Extract<Target, { kind: 'dial' }>): Promise<EffectResult> {
  const timeout = target.timeout_seconds * 1000 + LONGEST_CALL_MS;
  const reply = await dialogue.send(commands.exec('Dial', [target.dial, String(target.timeout_seconds), 'g'], timeout));
  if (reply.code === 0) return GONE;
  const status = await dialogue.send(commands.getVariable('DIALSTATUS'));
  const known = DIAL_STATUS[status.value ?? ''];
  if (known === 'answered') return { kind: 'dialled', status: known };
  return dialogue.isHungUp ? GONE : { kind: 'dialled', status: known ?? 'failed' };
}

export async function hangup(dialogue: Dialogue, cause: number | undefined): Promise<EffectResult> {
  await dialogue.send(cause === undefined ? commands.hangup() : commands.exec('Hangup', [String(cause)], 10_000));
  return DONE;
}

export async function setVariables(
  dialogue: Dialogue,
  variables: readonly { readonly name: string; readonly value: string }[],
): Promise<EffectResult> {
  for (const { name, value } of variables) {
    const reply = await dialogue.send(commands.setVariable(name, value));
    if (!succeeded(reply)) return failure(dialogue, reply, `the channel variable ${name} cannot be set`);
  }
  return DONE;
}
