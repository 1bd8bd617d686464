import type { Effect, EffectResult } from '@voiceoi/script';
import { exec, getVariable } from '../command.ts';
import { type Dialogue, failed, failure, GONE, succeeded } from './dialogue.ts';

type Amd = Extract<Effect, { kind: 'amd' }>;

const DETECTED: ReadonlyMap<string, 'human' | 'machine' | 'unsure'> = new Map([
  ['HUMAN', 'human'],
  ['MACHINE', 'machine'],
  ['NOTSURE', 'unsure'],
]);

/** Longest time that any settings of AMD take. */
const LONGEST_MS = 120_000;

/** A dialplan that has run AMD already (VICIdial's 8369) is believed; running it again would only cost the caller seconds. */
export async function amd(dialogue: Dialogue, effect: Amd): Promise<EffectResult> {
  const earlier = await detected(dialogue);
  if (earlier) return earlier;
  if (dialogue.hungUp) return GONE;
  const reply = await dialogue.send(exec('AMD', detectorArguments(effect.settings), LONGEST_MS));
  if (reply.code === 200 && reply.result === '-2') return failed('this telephone system has no AMD');
  if (!succeeded(reply)) return failure(dialogue, reply, 'AMD failed');
  const now = await detected(dialogue);
  if (now) return now;
  return dialogue.hungUp ? GONE : { kind: 'detected', result: 'unsure' };
}

/** What AMDSTATUS says; `HANGUP` and anything else is no answer. */
async function detected(dialogue: Dialogue): Promise<EffectResult | undefined> {
  const status = await dialogue.send(getVariable('AMDSTATUS'));
  const result = DETECTED.get(status.value ?? '');
  if (result === undefined) return undefined;
  const cause = await dialogue.send(getVariable('AMDCAUSE'));
  return { kind: 'detected', result, ...(cause.value && { cause: cause.value }) };
}

/** Settings that are left out are empty words; those at the end are left away. */
function detectorArguments(settings: readonly (number | null)[]): readonly string[] {
  const last = settings.findLastIndex((setting) => setting !== null);
  return settings.slice(0, last + 1).map((setting) => (setting === null ? '' : String(setting)));
}
