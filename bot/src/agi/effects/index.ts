import type { Effect, EffectResult } from '@voiceoi/script';
import { answer } from '../command.ts';
import { amd, exec, wait } from './applications.ts';
import { type Dialogue, DONE, failure, succeeded } from './dialogue.ts';
import { hangup, setVariables, transfer } from './ending.ts';
import { gather, record } from './gathering.ts';
import { play, say } from './playing.ts';

/** Carries out one effect over AGI. @throws CommandError when a command cannot be said to Asterisk */
export async function carryOut(dialogue: Dialogue, effect: Effect): Promise<EffectResult> {
  switch (effect.kind) {
    case 'answer': {
      const reply = await dialogue.send(answer());
      return succeeded(reply) ? DONE : failure(dialogue, reply, 'the call cannot be answered');
    }
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
      return setVariables(dialogue, effect.variables);
    case 'exec':
      return exec(dialogue, effect);
    case 'amd':
      return amd(dialogue, effect);
    case 'transfer':
      return transfer(dialogue, effect);
    case 'hangup':
      return hangup(dialogue, effect.cause);
    case 'http':
      return { kind: 'failed', reason: 'webhooks do not go over the telephone' };
    default:
      return effect satisfies never;
  }
}

export { setVariables } from './ending.ts';
