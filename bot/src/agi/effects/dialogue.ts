import type { EffectResult } from '@voiceoi/script';
import { type Command, channelStatus } from '../command.ts';
import type { Reply } from '../reply.ts';

/** What effects speak through: one command at a time. */
export interface Dialogue {
  send(command: Command): Promise<Reply>;
  readonly hungUp: boolean;
}

export const DONE: EffectResult = { kind: 'done' };

/** Nobody is there any more; what becomes of the call is told by the hangup itself. */
export const GONE: EffectResult = { kind: 'failed', reason: 'the caller is gone' };

export function failed(reason: string): EffectResult {
  return { kind: 'failed', reason };
}

/** Whether Asterisk did what it was asked. */
export function succeeded(reply: Reply): boolean {
  return reply.code === 200 && reply.result !== '-1' && reply.result !== '-2';
}

/**
 * Why a command did not succeed. A hangup answers `-1` too, before `HANGUP` comes, which then stands before the next command's answer, or never
 * comes (`AGISIGHUP=no`). So the channel's status is asked for, which a dead channel does not permit: either way the hangup shows.
 */
export async function failure(dialogue: Dialogue, reply: Reply, reason: string): Promise<EffectResult> {
  if (reply.code === 200 && !dialogue.hungUp) await dialogue.send(channelStatus());
  if (dialogue.hungUp) return GONE;
  if (reply.code === 0) return failed(`${reason}: no answer`);
  return failed(reply.code === 200 ? reason : `${reason} (${reply.code})`);
}

/** The key that an answer names by its ASCII code; undefined for none. */
export function keyOf(reply: Reply): string | undefined {
  const code = reply.code === 200 ? Number(reply.result) : 0;
  return code > 32 && code < 127 ? String.fromCharCode(code) : undefined;
}

/** Does one command that has nothing to tell but whether it worked. */
export async function act(dialogue: Dialogue, command: Command, reason: string): Promise<EffectResult> {
  const reply = await dialogue.send(command);
  return succeeded(reply) ? DONE : failure(dialogue, reply, reason);
}

/** Plays or says something that a key may end. */
export async function sound(dialogue: Dialogue, command: Command, reason: string): Promise<EffectResult> {
  const reply = await dialogue.send(command);
  if (!succeeded(reply)) return failure(dialogue, reply, reason);
  const digit = keyOf(reply);
  return digit === undefined ? { kind: 'played' } : { kind: 'played', digit };
}
