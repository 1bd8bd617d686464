import type { Effect, EffectResult } from '@voiceoi/script';
import { recordFile } from '../command.ts';
import type { Reply } from '../reply.ts';
import { type Dialogue, failed, failure, keyOf, succeeded } from './dialogue.ts';

type Record = Extract<Effect, { kind: 'record' }>;

/** Asterisk ends a recording a little before or after its limit. */
const LIMIT_TOLERANCE_MS = 100;

/** The file is named as a prompt would name it, without its ending, so that it can be played. */
export async function record(dialogue: Dialogue, effect: Record): Promise<EffectResult> {
  const { name: file, format, stop_digits: stopKeys, silence_seconds: silenceSeconds, beep } = effect;
  if (file.split('/').includes('..')) return failed('a recording’s name must not lead out of its folder');
  const maxMs = effect.max_seconds * 1000;
  const startedAt = performance.now();
  const reply = await dialogue.send(recordFile({ file, format, stopKeys, maxMs, silenceSeconds, beep }));
  const tookMs = performance.now() - startedAt;
  const recording = { kind: 'recorded', file, duration_ms: durationMs(reply, format) } as const;
  if (reply.code === 200 && reply.value === 'hangup') {
    // The hangup itself is told before the next answer only.
    await failure(dialogue, reply, '');
    return { ...recording, ended_by: 'hangup' };
  }
  if (!succeeded(reply)) return failure(dialogue, reply, 'it cannot be recorded');
  const digit = keyOf(reply);
  if (digit !== undefined) return { ...recording, ended_by: 'digit', digit };
  // Silence and the limit answer alike; the beep counts as time, and silence is cut off the recording.
  const isFull = Math.max(tookMs, recording.duration_ms) >= maxMs - LIMIT_TOLERANCE_MS;
  return { ...recording, ended_by: isFull || silenceSeconds <= 0 ? 'max' : 'silence' };
}

function durationMs({ endpos = 0 }: Reply, format: string): number {
  return Math.round(Math.max(0, endpos) / samplesPerMs(format.toLowerCase()));
}

/** Telephone audio has 8,000 samples a second; the names of wider formats tell (`sln48`, `wav16`). */
function samplesPerMs(format: string): number {
  if (format === 'g722') return 16;
  return Number(/^(?:sln|slin|wav)(\d{2,3})$/.exec(format)?.[1] ?? 8);
}
