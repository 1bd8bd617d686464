import type { Json } from '@voiceoi/contracts';
import type { CallContext, Effect, EffectDetail, EffectResult } from '../protocol.ts';

/** What of an effect its record shows: what was asked for, secrets masked. */
export function askedFor(effect: Effect): EffectDetail {
  if (effect.kind === 'http') {
    const { method, masked, timeout_ms } = effect;
    return { kind: 'http', method, ...masked, timeout_ms };
  }
  if (effect.kind === 'transfer') return { ...effect.target, kind: 'transfer' };
  return effect satisfies { readonly [name: string]: Json | undefined } as EffectDetail;
}

/** The same with what came back. */
export function withResult(asked: EffectDetail, result: EffectResult | undefined, context: CallContext): EffectDetail {
  if (!result || result.kind === 'done') return asked;
  if (result.kind === 'failed') return { ...asked, failed: withoutSecrets(result.reason, context) };
  return { ...asked, ...cameBack(result) };
}

/** Shorter secrets would be found in what has nothing to do with them: they are masked only where they were put in. */
const SHORTEST_FOUND = 6;

/**
 * What records show of a step, or of how a call was disposed of, with every secret in it masked: a webhook's answer may bring back what it was sent, and
 * a script may say or note that.
 */
export function withoutEchoes<T extends Json>(value: T, { secrets }: CallContext): T {
  const values = [...secrets.values()].filter(({ length }) => length >= SHORTEST_FOUND);
  return values.length === 0 ? value : (masked(value, (text) => mask(text, values)) as T);
}

function masked(value: Json, show: (text: string) => string): Json {
  if (typeof value === 'string') return show(value);
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item: Json) => masked(item, show));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, masked(item, show)]));
}

/** A reason comes from a transport or a library and may quote the value that it is about. */
export function withoutSecrets(text: string, { secrets }: CallContext): string {
  return mask(text, [...secrets.values()]);
}

function mask(text: string, values: readonly string[]): string {
  // The longest first: of a secret that begins with another one, the rest would be left.
  const longestFirst = values.filter((value) => value !== '').sort((a, b) => b.length - a.length);
  return longestFirst.reduce((shown, value) => shown.replaceAll(value, '***'), text);
}

function cameBack(result: Exclude<EffectResult, { kind: 'failed' }>): { readonly [name: string]: Json } {
  switch (result.kind) {
    case 'played':
      return result.digit === undefined ? {} : { digit: result.digit };
    case 'response':
      return { status: result.status };
    case 'detected':
      return { result: result.result, ...(result.cause !== undefined && { cause: result.cause }) };
    case 'dialled':
      return { status: result.status };
    case 'timeout':
    case 'unavailable':
      return { failed: result.kind };
    case 'done':
      return {};
    case 'gathered':
    case 'recorded': {
      const { kind: _kind, ...rest } = result;
      return rest;
    }
    default:
      return result satisfies never;
  }
}
