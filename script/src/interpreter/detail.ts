import type { Json } from '@voiceoi/contracts';
import type { Effect, EffectDetail, EffectResult } from './protocol.ts';

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
export function withResult(asked: EffectDetail, result: EffectResult | undefined): EffectDetail {
  if (!result || result.kind === 'done') return asked;
  return { ...asked, ...cameBack(result) };
}

function cameBack(result: EffectResult): { readonly [name: string]: Json } {
  switch (result.kind) {
    case 'failed':
      return { failed: result.reason };
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
