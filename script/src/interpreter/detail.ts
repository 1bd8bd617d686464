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

/** A reason comes from a transport or a library and may quote the value that it is about. */
export function withoutSecrets(text: string, { secrets }: CallContext): string {
  // The longest first: of a secret that begins with another one, the rest would be left.
  const values = [...secrets.values()].filter((value) => value !== '').sort((a, b) => b.length - a.length);
  return values.reduce((masked, value) => masked.replaceAll(value, '***'), text);
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
