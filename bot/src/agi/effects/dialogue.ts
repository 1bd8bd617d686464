import type { EffectResult } from '@voiceoi/script';
import { type Command, noop } from '../command.ts';
import type { Reply } from '../reply.ts';

/** What effects speak through: one command at a time. */
export interface Dialogue {
  send(command: Command): Promise<Reply>;
  readonly isHungUp: boolean;
}

export const DONE: EffectResult = { kind: 'done' };

/** Nobody is there any more; what becomes of the call is told by the hangup itself. */
export const GONE: EffectResult = { kind: 'failed', reason: 'the caller is gone' };

/** Whether Asterisk did what it was asked. */
export function succeeded(reply: Reply): boolean {
  return reply.code === 200 && reply.result !== '-1' && reply.result !== '-2';
}

/**
 * Why a command answered `-1`: during a hangup it says so before `HANGUP` comes, which then stands before the next command's answer. So one
 * command that always works is sent to find out.
 */
export async function failure(dialogue: Dialogue, reply: Reply, reason: string): Promise<EffectResult> {
  if (reply.code === 0) return GONE;
  if (!dialogue.isHungUp && reply.code === 200) await dialogue.send(noop());
  return dialogue.isHungUp
    ? GONE
    : { kind: 'failed', reason: reply.code === 200 ? reason : `${reason} (${reply.code})` };
}

/** The key that an answer names by its ASCII code; undefined for none. */
export function keyOf(reply: Reply): string | undefined {
  const code = reply.code === 200 ? Number(reply.result) : 0;
  return code > 0 && code < 128 ? String.fromCharCode(code) : undefined;
}
