import type { Effect, EffectResult } from '@voiceoi/script';
import { waitForDigit } from '../command.ts';
import { type Dialogue, failure, keyOf, succeeded } from './dialogue.ts';
import { play } from './play.ts';

type Gather = Extract<Effect, { kind: 'gather' }>;

const ALL_KEYS = '0123456789*#';

/**
 * Plays the prompts until a key, then takes keys one by one. GET DATA would save commands, but it has one time for the first and the later keys,
 * no terminator but `#`, and answers a missing sound as it answers a hangup.
 */
export async function gather(dialogue: Dialogue, effect: Gather): Promise<EffectResult> {
  const prompted = await playUntilKey(dialogue, effect);
  if (prompted.kind !== 'played') return prompted;
  let key = prompted.digit;
  let digits = '';
  for (;;) {
    if (key !== undefined && effect.terminator.includes(key)) return gathered(digits, 'terminator');
    digits += key ?? '';
    if (digits.length >= effect.max_digits) return gathered(digits, 'max_digits');
    const timeoutMs = digits === '' ? effect.timeout_ms : effect.inter_digit_timeout_ms;
    const reply = await dialogue.send(waitForDigit(timeoutMs));
    if (!succeeded(reply)) return failure(dialogue, reply, 'keys cannot be taken');
    key = keyOf(reply);
    if (key === undefined) return gathered(digits, 'timeout');
  }
}

/** A prompt that cannot be played ends it: the caller would not know what to do. */
async function playUntilKey(dialogue: Dialogue, { prompts }: Gather): Promise<EffectResult> {
  for (const prompt of prompts) {
    const result = await play(dialogue, prompt, ALL_KEYS);
    if (result.kind !== 'played' || result.digit !== undefined) return result;
  }
  return { kind: 'played' };
}

function gathered(digits: string, endedBy: 'terminator' | 'max_digits' | 'timeout'): EffectResult {
  return { kind: 'gathered', digits, ended_by: endedBy };
}
