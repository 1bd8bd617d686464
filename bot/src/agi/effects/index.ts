import type { Effect, EffectResult } from '@voiceoi/script';
import { answer } from '../command.ts';
import { amd } from './amd.ts';
import { setChannelVariables } from './channel-variables.ts';
import { act, type Dialogue, failed } from './dialogue.ts';
import { exec } from './exec.ts';
import { gather } from './gather.ts';
import { hangup } from './hangup.ts';
import { play } from './play.ts';
import { record } from './record.ts';
import { say } from './say.ts';
import { transfer } from './transfer.ts';
import { wait } from './wait.ts';

export type { Dialogue } from './dialogue.ts';

/** Carries out one effect over AGI. @throws CommandError when a command cannot be said to Asterisk */
export async function carryOut(dialogue: Dialogue, effect: Effect): Promise<EffectResult> {
  switch (effect.kind) {
    case 'answer':
      return act(dialogue, answer(), 'the call cannot be answered');
    case 'play':
      return play(dialogue, effect.prompt, effect.interrupt_digits);
    case 'say':
      return say(dialogue, effect);
    case 'gather':
      return gather(dialogue, effect);
    case 'record':
      return record(dialogue, effect);
    case 'wait':
      return wait(dialogue, effect.ms);
    case 'channel':
      return setChannelVariables(dialogue, effect.variables);
    case 'exec':
      return exec(dialogue, effect);
    case 'amd':
      return amd(dialogue, effect);
    case 'transfer':
      return transfer(dialogue, effect.target);
    case 'hangup':
      return hangup(dialogue, effect.cause);
    case 'http':
      return failed('webhooks do not go over the telephone');
    default:
      return effect satisfies never;
  }
}
