import type { Json, JsonObject } from '@voiceoi/contracts';
import type { EffectDetail } from '../protocol.ts';

/** A call between two events; all of it is JSON, so that it can be sealed and taken up elsewhere. */
export interface State {
  /** The step that waits for a result. */
  readonly step: string;
  readonly seq: number;
  /** When the step was entered, since the call began. */
  readonly entered_at_ms: number;
  /** What the step has done so far, as its record will show it. */
  readonly detail: readonly EffectDetail[];
  /** The effect that is being carried out, as far as its record will show it. */
  readonly pending: EffectDetail;
  /** What the step keeps for itself. */
  readonly progress?: Json;
  readonly vars: JsonObject;
  readonly input: JsonObject;
  /** Steps since the caller last brought anything. */
  readonly since_input: number;
  /** The script's `on_error` has been taken, and nothing has gone well since. */
  readonly in_error: boolean;
  /** The caller is gone; what runs is `on_hangup`. */
  readonly hung_up: boolean;
  readonly disposition?: string;
  readonly comment?: string;
  readonly fields?: { readonly [name: string]: string };
  readonly arm?: string;
}
