import type { Effect, EffectResult } from '@voiceoi/script';
import * as commands from '../command.ts';
import { type Dialogue, failure, keyOf, succeeded } from './dialogue.ts';
import { play } from './playing.ts';

type Gather = Extract<Effect, { kind: 'gather' }>;
type Record = Extract<Effect, { kind: 'record' }>;

const ALL_KEYS = '0123456789*#';

/** Plays the prompts until a key, then takes keys one by one: only so are the first and the later ones given times of their own. */
export async function gather(dialogue: Dialogue, effect: Gather): Promise<EffectResult> {
  const first = await promptForKey(dialogue, effect);
  if (first !== undefined && first.kind !== 'played') return first;
  let digits = '';
  let key = first?.digit;
  for (;;) {
    if (key !== undefined && effect.terminator.includes(key))
      return { kind: 'gathered', digits, ended_by: 'terminator' };
    digits += key ?? '';
    if (digits.length >= effect.max_digits) return { kind: 'gathered', digits, ended_by: 'max_digits' };
    const reply = await dialogue.send(
      commands.waitForDigit(digits === '' ? effect.timeout_ms : effect.inter_digit_timeout_ms),
    );
    if (!succeeded(reply)) return failure(dialogue, reply, 'keys cannot be taken');
    key = keyOf(reply);
    if (key === undefined) return { kind: 'gathered', digits, ended_by: 'timeout' };
  }
}

/** Plays each prompt until a key is pressed; a prompt that fails ends it. */
async function promptForKey(dialogue: Dialogue, effect: Gather): Promise<EffectResult | undefined> {
  for (const prompt of effect.prompts) {
    const result = await play(dialogue, prompt, ALL_KEYS);
    if (result.kind !== 'played' || result.digit !== undefined) return result;
  }
  return undefined;
}

/** Telephone audio has 8,000 samples a second. */
const SAMPLES_PER_MS = 8;
/** Asterisk ends a recording a little before or after its limit. */
const LIMIT_TOLERANCE_MS = 250;

export async function record(dialogue: Dialogue, effect: Record): Promise<EffectResult> {
  const { name, format, stop_digits, max_seconds, beep, silence_seconds } = effect;
  const reply = await dialogue.send(commands.recordFile(name, format, stop_digits, max_seconds, beep, silence_seconds));
  const recording = {
    kind: 'recorded',
    file: `${name}.${format}`,
    duration_ms: Math.round((reply.endpos ?? 0) / SAMPLES_PER_MS),
  } as const;
  if (reply.code === 200 && reply.value === 'hangup') return { ...recording, ended_by: 'hangup' };
  if (!succeeded(reply)) return failure(dialogue, reply, 'it cannot be recorded');
  const digit = keyOf(reply);
  if (digit !== undefined) return { ...recording, ended_by: 'digit', digit };
  const reachedLimit = recording.duration_ms >= max_seconds * 1000 - LIMIT_TOLERANCE_MS;
  return { ...recording, ended_by: reachedLimit || silence_seconds === 0 ? 'max' : 'silence' };
}
