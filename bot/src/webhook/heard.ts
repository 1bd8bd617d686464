import type { EffectResult } from '@voiceoi/script';
import type { AwaitedInput, TurnEvent } from '../calls/index.ts';

/** What a request tells, whatever the dialect. */
export interface Heard {
  readonly event: 'start' | 'input' | 'hangup';
  readonly digits?: string;
  readonly speech?: string;
  readonly recording?: {
    readonly file: string;
    readonly duration_ms: number;
    readonly ended_by?: 'digit' | 'silence' | 'max' | 'hangup';
    readonly digit?: string;
  };
  readonly dial_status?: 'answered' | 'busy' | 'no_answer' | 'failed';
  /** The other side could not do what it was asked for. */
  readonly failed?: string;
}

/** What a request means to a call that waits for something. A request that brings nothing of it is a caller who did nothing. */
export function eventOf(awaited: AwaitedInput, heard: Heard): TurnEvent {
  if (heard.event === 'hangup') {
    const result = broughtBefore(awaited, heard);
    return { kind: 'hangup', ...(result && { result }) };
  }
  if (heard.failed !== undefined) return { kind: 'result', result: { kind: 'failed', reason: heard.failed } };
  return { kind: 'result', result: resultOf(awaited, heard) };
}

/** A recording or what was keyed counts although the caller left in its midst. */
function broughtBefore(awaited: AwaitedInput, heard: Heard): EffectResult | undefined {
  const { digits = '', speech = '', recording, dial_status } = heard;
  if (awaited.kind === 'record' && recording) return recorded(awaited, { ...recording, ended_by: 'hangup' });
  if (awaited.kind === 'gather' && digits + speech !== '') return resultOf(awaited, heard);
  if (awaited.kind === 'dial' && dial_status === 'answered') return { kind: 'dialled', status: dial_status };
  return undefined;
}

function resultOf(awaited: AwaitedInput, { digits = '', speech = '', recording, dial_status }: Heard): EffectResult {
  switch (awaited.kind) {
    case 'played':
    case 'done':
      return { kind: awaited.kind };
    case 'key':
      return awaited.keys.includes(digits.charAt(0)) && digits !== ''
        ? { kind: 'played', digit: digits.charAt(0) }
        : { kind: 'played' };
    case 'gather':
      return gathered(awaited.max_digits, digits, speech);
    case 'record':
      return recording ? recorded(awaited, recording) : { kind: 'failed', reason: 'nothing was recorded' };
    case 'dial':
      return { kind: 'dialled', status: dial_status ?? 'failed' };
    default:
      return awaited satisfies never;
  }
}

function gathered(maxDigits: number, digits: string, speech: string): EffectResult {
  const said = speech === '' ? {} : { speech };
  const ended = (ended_by: 'max_digits' | 'terminator' | 'speech' | 'timeout'): EffectResult => ({
    kind: 'gathered',
    digits,
    ...said,
    ended_by,
  });
  if (digits.length >= maxDigits) return ended('max_digits');
  if (digits !== '') return ended('terminator');
  return ended(speech === '' ? 'timeout' : 'speech');
}

function recorded(
  { max_seconds }: Extract<AwaitedInput, { kind: 'record' }>,
  { file, duration_ms, ended_by, digit }: NonNullable<Heard['recording']>,
): EffectResult {
  const guessed = digit === undefined ? (duration_ms >= max_seconds * 1000 ? 'max' : 'silence') : 'digit';
  return { kind: 'recorded', file, duration_ms, ended_by: ended_by ?? guessed, ...(digit !== undefined && { digit }) };
}
