import type { EffectResult } from '@voiceoi/script';
import { exec, hangup as hangupCommand } from '../command.ts';
import { type Dialogue, DONE } from './dialogue.ts';

/** Whether the caller was quicker makes no difference. EXEC Hangup answers `-1` because it worked. */
export async function hangup(dialogue: Dialogue, cause: number | undefined): Promise<EffectResult> {
  await dialogue.send(cause === undefined ? hangupCommand() : exec('Hangup', [String(cause)], 10_000));
  return DONE;
}
