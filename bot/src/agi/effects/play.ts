import type { EffectResult, Prompt } from '@voiceoi/script';
import { streamFile } from '../command.ts';
import { type Dialogue, failed, sound } from './dialogue.ts';
import { sayDigits } from './say.ts';

/** Plays one prompt; any of `interruptDigits` ends it. Addresses of sounds go to Asterisk as they are. */
export function play(dialogue: Dialogue, prompt: Prompt, interruptDigits: string): Promise<EffectResult> {
  if ('text' in prompt) return Promise.resolve(failed('text needs speech synthesis, which is not there yet'));
  if ('digits' in prompt) return sayDigits(dialogue, prompt.digits, interruptDigits);
  const name = prompt.sound.trim();
  if (name === '') return Promise.resolve(failed('the sound has no name'));
  return sound(dialogue, streamFile(name, interruptDigits), `the sound ${name} cannot be played`);
}
