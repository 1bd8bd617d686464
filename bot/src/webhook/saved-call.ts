import Type from 'typebox';
import { Check } from 'typebox/value';
import type { SavedCall } from '../calls/index.ts';

const Texts = Type.Record(Type.String(), Type.String());
const Count = Type.Integer({ minimum: 0 });

const AwaitedInput = Type.Union([
  Type.Object({ kind: Type.Enum(['played', 'done', 'dial']) }),
  Type.Object({ kind: Type.Literal('key'), keys: Type.String() }),
  Type.Object({ kind: Type.Literal('gather'), max_digits: Count }),
  Type.Object({ kind: Type.Literal('record'), name: Type.String(), max_seconds: Type.Number() }),
]);

const Saved = Type.Object({
  id: Type.String(),
  campaign: Type.String(),
  script: Type.String(),
  version: Count,
  canary: Type.Boolean(),
  node: Type.String(),
  started_at: Count,
  issued_at: Count,
  until: Count,
  turn: Count,
  sid: Type.String(),
  channel: Type.String(),
  caller: Type.Object({ number: Type.String(), name: Type.String() }),
  dnid: Type.String(),
  args: Texts,
  lead: Texts,
  steps: Count,
  answered_at_ms: Type.Optional(Type.Number()),
  first_ms: Type.Optional(Type.Number()),
  slowest_ms: Type.Optional(Type.Number()),
  awaited: AwaitedInput,
  state: Type.Record(Type.String(), Type.Unknown()),
});

/** A call as another node has sealed it; undefined when it has a shape that this version does not know. */
export function parseSavedCall(value: unknown): SavedCall | undefined {
  return Check(Saved, value) ? (value as SavedCall) : undefined;
}
