import type { Effect, EffectResult, Prompt } from '@voiceoi/script';
import * as commands from '../command.ts';
import type { Reply } from '../reply.ts';
import { type Dialogue, failure, keyOf, succeeded } from './dialogue.ts';

type Say = Extract<Effect, { kind: 'say' }>;

/** Plays one prompt; any of `interruptDigits` ends it. */
export async function play(dialogue: Dialogue, prompt: Prompt, interruptDigits: string): Promise<EffectResult> {
  if ('text' in prompt) return { kind: 'failed', reason: 'text needs speech synthesis, which is not there yet' };
  if ('digits' in prompt)
    return played(
      dialogue,
      await dialogue.send(commands.sayDigits(prompt.digits, interruptDigits)),
      'digits cannot be said',
    );
  const reply = await dialogue.send(commands.streamFile(prompt.sound, interruptDigits));
  return played(dialogue, reply, `the sound ${prompt.sound} cannot be played`);
}

export async function say(dialogue: Dialogue, effect: Say): Promise<EffectResult> {
  return played(dialogue, await dialogue.send(sayCommand(effect)), `${effect.as} cannot be said`);
}

async function played(dialogue: Dialogue, reply: Reply, reason: string): Promise<EffectResult> {
  if (!succeeded(reply)) return failure(dialogue, reply, reason);
  const digit = keyOf(reply);
  return digit === undefined ? { kind: 'played' } : { kind: 'played', digit };
}

/** Formats of voicemail.conf: Asterisk's own SAY DATE and SAY TIME know no time zone. */
const DATE_FORMAT = 'ABdY';
const TIME_FORMAT = 'IMp';
const DATETIME_FORMAT = "ABdY 'digits/at' IMp";

function sayCommand({ as, value, interrupt_digits: stopKeys, timezone }: Say): commands.Command {
  switch (as) {
    case 'digits':
      return commands.sayDigits(value, stopKeys);
    case 'number':
      return commands.sayNumber(value, stopKeys);
    case 'letters':
      return commands.sayAlpha(value, stopKeys);
    case 'phonetic':
      return commands.sayPhonetic(value, stopKeys);
    case 'date':
      return timezone
        ? commands.sayDatetime(value, stopKeys, DATE_FORMAT, timezone)
        : commands.sayDate(value, stopKeys);
    case 'time':
      return timezone
        ? commands.sayDatetime(value, stopKeys, TIME_FORMAT, timezone)
        : commands.sayTime(value, stopKeys);
    case 'datetime':
      return timezone
        ? commands.sayDatetime(value, stopKeys, DATETIME_FORMAT, timezone)
        : commands.sayDatetime(value, stopKeys);
    default:
      return as satisfies never;
  }
}
