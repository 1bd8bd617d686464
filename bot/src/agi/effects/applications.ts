import type { Effect, EffectResult } from '@voiceoi/script';
import * as commands from '../command.ts';
import { type Dialogue, DONE, failure, GONE, succeeded } from './dialogue.ts';

type Exec = Extract<Effect, { kind: 'exec' }>;
type Amd = Extract<Effect, { kind: 'amd' }>;

export async function exec(dialogue: Dialogue, effect: Exec): Promise<EffectResult> {
  const reply = await dialogue.send(commands.exec(effect.application, effect.arguments));
  if (reply.code === 200 && reply.result === '-2') return { kind: 'unavailable' };
  return succeeded(reply) ? DONE : failure(dialogue, reply, `${effect.application} failed`);
}

export async function wait(dialogue: Dialogue, ms: number): Promise<EffectResult> {
  const reply = await dialogue.send(commands.exec('Wait', [String(ms / 1000)], ms + 10_000));
  return succeeded(reply) ? DONE : failure(dialogue, reply, 'waiting failed');
}

const DETECTED: { readonly [status: string]: 'human' | 'machine' | 'unsure' | undefined } = {
  HUMAN: 'human',
  MACHINE: 'machine',
  NOTSURE: 'unsure',
};

/** A dialplan that has run AMD already (VICIdial's 8369) is believed; running it again would only cost the caller seconds. */
export async function amd(dialogue: Dialogue, effect: Amd): Promise<EffectResult> {
  const earlier = await amdStatus(dialogue);
  if (earlier) return earlier;
  if (dialogue.isHungUp) return GONE;
  const reply = await dialogue.send(commands.exec('AMD', detectorArguments(effect.settings), 120_000));
  if (reply.code === 200 && reply.result === '-2')
    return { kind: 'failed', reason: 'this telephone system has no AMD' };
  if (!succeeded(reply)) return failure(dialogue, reply, 'AMD failed');
  return (await amdStatus(dialogue)) ?? (dialogue.isHungUp ? GONE : { kind: 'detected', result: 'unsure' });
}

async function amdStatus(dialogue: Dialogue): Promise<EffectResult | undefined> {
  const status = await dialogue.send(commands.getVariable('AMDSTATUS'));
  const result = DETECTED[status.value ?? ''];
  if (result === undefined) return undefined;
  const cause = await dialogue.send(commands.getVariable('AMDCAUSE'));
  return { kind: 'detected', result, ...(cause.value && { cause: cause.value }) };
}

/** Settings that are left out are empty words; those at the end are left away. */
function detectorArguments(settings: readonly (number | null)[]): readonly string[] {
  const last = settings.findLastIndex((setting) => setting !== null);
  return settings.slice(0, last + 1).map((setting) => (setting === null ? '' : String(setting)));
}
