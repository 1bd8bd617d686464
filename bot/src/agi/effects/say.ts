import type { Effect, EffectResult } from '@voiceoi/script';
import { type Command, say as sayCommand, sayDatetime } from '../command.ts';
import { type Dialogue, failed, sound } from './dialogue.ts';

type Say = Extract<Effect, { kind: 'say' }>;

/** What Asterisk cannot say is not asked of it: one failed command would make AGISTATUS a FAILURE. */
export function say(dialogue: Dialogue, effect: Say): Promise<EffectResult> {
  const { as, value, interrupt_digits: stopKeys } = effect;
  switch (as) {
    case 'digits':
      return sayDigits(dialogue, value, stopKeys);
    case 'number':
      return sayNumber(dialogue, value, stopKeys);
    case 'letters':
      return sayText(dialogue, 'ALPHA', value, stopKeys);
    case 'phonetic':
      return sayText(dialogue, 'PHONETIC', value, stopKeys);
    case 'date':
    case 'time':
    case 'datetime':
      return sayTime(dialogue, effect);
    default:
      return as satisfies never;
  }
}

/** Digits as people write them, with spaces, dashes, dots, parentheses or a plus; SAY DIGITS knows digits alone, SAY ALPHA also * and #. */
export function sayDigits(dialogue: Dialogue, value: string, stopKeys: string): Promise<EffectResult> {
  const digits = value.replace(/[\s().+-]/g, '');
  if (!/^[0-9*#]+$/.test(digits)) return unsayable('digits', value);
  const verb = /^\d+$/.test(digits) ? 'DIGITS' : 'ALPHA';
  return sound(dialogue, sayCommand(verb, digits, stopKeys), 'the digits cannot be said');
}

/** Asterisk says whole numbers below a thousand millions. */
const LARGEST_NUMBER = 999_999_999;

function sayNumber(dialogue: Dialogue, value: string, stopKeys: string): Promise<EffectResult> {
  const text = value.trim();
  const number = Number(text);
  if (text === '' || !Number.isInteger(number) || Math.abs(number) > LARGEST_NUMBER) return unsayable('number', value);
  return sound(dialogue, sayCommand('NUMBER', String(number), stopKeys), 'the number cannot be said');
}

function sayText(
  dialogue: Dialogue,
  verb: 'ALPHA' | 'PHONETIC',
  value: string,
  stopKeys: string,
): Promise<EffectResult> {
  if (value.trim() === '') return Promise.resolve({ kind: 'played' });
  return sound(dialogue, sayCommand(verb, value, stopKeys), 'the letters cannot be said');
}

/** Formats of voicemail.conf: Asterisk's own SAY DATE and SAY TIME know no time zone. */
const FORMATS = { date: 'ABdY', time: 'IMp', datetime: "ABdY 'digits/at' IMp" } as const;

function sayTime(dialogue: Dialogue, { as, value, interrupt_digits: stopKeys, timezone }: Say): Promise<EffectResult> {
  const seconds = Math.floor(Number(value));
  if (value.trim() === '' || !Number.isSafeInteger(seconds)) return unsayable(as, value);
  return sound(dialogue, timeCommand(as, String(seconds), stopKeys, timezone), `the ${as} cannot be said`);
}

function timeCommand(as: Say['as'], epoch: string, stopKeys: string, zone: string | undefined): Command {
  if (zone && (as === 'date' || as === 'time' || as === 'datetime'))
    return sayDatetime(epoch, stopKeys, FORMATS[as], zone);
  if (as === 'datetime') return sayDatetime(epoch, stopKeys);
  return sayCommand(as === 'date' ? 'DATE' : 'TIME', epoch, stopKeys);
}

function unsayable(as: Say['as'], value: string): Promise<EffectResult> {
  return Promise.resolve(failed(`"${value.slice(0, 64)}" cannot be said as ${as}`));
}
