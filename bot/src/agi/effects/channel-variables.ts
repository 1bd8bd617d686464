import type { EffectResult } from '@voiceoi/script';
import { setVariable } from '../command.ts';
import { act, type Dialogue, DONE } from './dialogue.ts';

/** Writes channel variables in order; works on a dead channel too. One that cannot be set ends it. */
export async function setChannelVariables(
  dialogue: Dialogue,
  variables: readonly { readonly name: string; readonly value: string }[],
): Promise<EffectResult> {
  for (const { name, value } of variables) {
    const result = await act(dialogue, setVariable(name, value), `the channel variable ${name} cannot be set`);
    if (result.kind !== 'done') return result;
  }
  return DONE;
}
