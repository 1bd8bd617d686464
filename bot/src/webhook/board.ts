import type { WebhookAction } from '@voiceoi/contracts';
import type { Effect } from '@voiceoi/script';
import type { EffectBoard, Placed } from '../calls/index.ts';

type PlacedEffect = Parameters<EffectBoard['place']>[0];
type Asked = Exclude<PlacedEffect, { kind: 'exec' | 'amd' }>;

/** Actions that one answer may hold: a script that plays for ever comes back now and then. */
const MOST_ACTIONS = 20;
/** Several waits are one answer only up to this. */
const MOST_WAIT_MS = 30_000;

/** Collects a turn's actions. `misfit` says why a dialect cannot carry out an effect; such an effect fails, as script-language.md has it. */
export class ActionBoard implements EffectBoard {
  readonly actions: WebhookAction[] = [];
  readonly #misfit: (action: WebhookAction) => string | undefined;
  #hasSound = false;
  #waitMs = 0;

  constructor(misfit: (action: WebhookAction) => string | undefined) {
    this.#misfit = misfit;
  }

  get hasSound(): boolean {
    return this.#hasSound;
  }

  get isFull(): boolean {
    return this.actions.length >= MOST_ACTIONS || this.#waitMs >= MOST_WAIT_MS;
  }

  place(effect: PlacedEffect): Placed {
    if (effect.kind === 'exec') return { result: { kind: 'unavailable' } };
    if (effect.kind === 'amd') return failed('a call over webhooks has no detector of answering machines');
    const action = actionOf(effect);
    const misfit = this.#misfit(action);
    if (misfit !== undefined) return failed(misfit);
    this.actions.push(action);
    return this.#placed(effect);
  }

  #placed(effect: Asked): Placed {
    switch (effect.kind) {
      case 'play':
      case 'say':
        this.#hasSound = true;
        return effect.interrupt_digits === ''
          ? { result: { kind: 'played' } }
          : { awaited: { kind: 'key', keys: effect.interrupt_digits } };
      case 'gather':
        return { awaited: { kind: 'gather', max_digits: effect.max_digits } };
      case 'record':
        return { awaited: { kind: 'record', name: effect.name, max_seconds: effect.max_seconds } };
      case 'wait':
        this.#hasSound = true;
        this.#waitMs += effect.ms;
        return DONE;
      case 'transfer':
        return effect.target.kind === 'dial' ? { awaited: { kind: 'dial' } } : DONE;
      case 'answer':
      case 'channel':
      case 'hangup':
        return DONE;
      default:
        return effect satisfies never;
    }
  }
}

const DONE: Placed = { result: { kind: 'done' } };

function failed(reason: string): Placed {
  return { result: { kind: 'failed', reason } };
}

function actionOf(effect: Asked): WebhookAction {
  switch (effect.kind) {
    case 'answer':
      return { type: 'answer' };
    case 'play': {
      const { prompt, interrupt_digits } = effect;
      return { type: 'play', prompt: { ...prompt }, ...(interrupt_digits && { interrupt_digits }) };
    }
    case 'say': {
      const { as, value, timezone, interrupt_digits } = effect;
      return { type: 'say', as, value, ...(timezone && { timezone }), ...(interrupt_digits && { interrupt_digits }) };
    }
    case 'gather': {
      const { kind: _kind, speech, prompts, ...settings } = effect;
      return { type: 'gather', ...settings, prompts: [...prompts], input: speech ? ['digits', 'speech'] : ['digits'] };
    }
    case 'record': {
      const { kind: _kind, ...settings } = effect;
      return { type: 'record', ...settings };
    }
    case 'wait':
      return { type: 'wait', ms: effect.ms };
    case 'channel':
      return { type: 'set', variables: [...effect.variables] };
    case 'transfer':
      return transferAction(effect.target);
    case 'hangup':
      return { type: 'hangup', ...(effect.cause !== undefined && { cause: effect.cause }) };
    default:
      return effect satisfies never;
  }
}

function transferAction(target: Extract<Effect, { kind: 'transfer' }>['target']): WebhookAction {
  if (target.kind === 'dial') return { type: 'dial', to: target.dial, timeout_seconds: target.timeout_seconds };
  const { kind: _kind, ...place } = target;
  return { type: 'transfer', ...place };
}
