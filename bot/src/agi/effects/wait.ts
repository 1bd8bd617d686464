import type { EffectResult } from '@voiceoi/script';
import { exec } from '../command.ts';
import { act, type Dialogue } from './dialogue.ts';

export function wait(dialogue: Dialogue, ms: number): Promise<EffectResult> {
  return act(dialogue, exec('Wait', [String(Math.max(0, ms) / 1000)], ms + 10_000), 'waiting failed');
}
