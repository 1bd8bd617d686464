import Type, { type Static } from 'typebox';
import { Uuid } from '../ids.ts';

const Keys = Type.String({ pattern: '^[0-9*#]{0,128}$', description: 'Keys of a telephone' });
const Text = Type.String({ maxLength: 4096 });
const Texts = Type.Record(Type.String({ pattern: '^[A-Za-z0-9_.-]{1,64}$' }), Type.String({ maxLength: 1024 }), {
  maxProperties: 64,
  additionalProperties: false,
});

/** What a `record` action brought. */
export const WebhookRecording = Type.Object(
  {
    file: Type.String({ minLength: 1, maxLength: 1024, description: 'Name or address of the recording' }),
    duration_ms: Type.Number({ minimum: 0 }),
    ended_by: Type.Optional(Type.Enum(['digit', 'silence', 'max', 'hangup'])),
    digit: Type.Optional(Type.String({ pattern: '^[0-9*#]$' })),
  },
  { additionalProperties: false },
);

/** Request of the dialect `json` to `POST /webhook/{org_id}/{campaign_id}`. `state` is that of the last answer; a call begins without one. */
export const WebhookRequest = Type.Object(
  {
    call_id: Type.Optional(Uuid),
    event: Type.Enum(['start', 'input', 'hangup']),
    state: Type.Optional(Type.String({ maxLength: 16_384 })),
    digits: Type.Optional(Keys),
    speech: Type.Optional(Text),
    recording: Type.Optional(WebhookRecording),
    dial_status: Type.Optional(Type.Enum(['answered', 'busy', 'no_answer', 'failed'])),
    failed: Type.Optional(Type.String({ maxLength: 256, description: 'Why the last action could not be carried out' })),
    caller: Type.Optional(
      Type.Object(
        { number: Type.String({ maxLength: 256 }), name: Type.Optional(Type.String({ maxLength: 256 })) },
        { additionalProperties: false },
      ),
    ),
    lead: Type.Optional(Texts),
  },
  { additionalProperties: false },
);
export type WebhookRequest = Static<typeof WebhookRequest>;

const Prompt = Type.Union([
  Type.Object({ sound: Type.String() }),
  Type.Object({ digits: Type.String() }),
  Type.Object({ text: Type.String(), voice: Type.Optional(Type.String()), language: Type.Optional(Type.String()) }),
]);
const Seconds = Type.Number({ minimum: 0 });

/**
 * What the other side is to do, in order. Only the last one can bring something: `gather` brings `digits` or `speech`, `record` a `recording`,
 * `dial` a `dial_status`, and `play` or `say` with `interrupt_digits` the key that ended it as `digits`.
 */
export const WebhookAction = Type.Union([
  Type.Object({ type: Type.Literal('answer') }),
  Type.Object({ type: Type.Literal('play'), prompt: Prompt, interrupt_digits: Type.Optional(Type.String()) }),
  Type.Object({
    type: Type.Literal('say'),
    as: Type.Enum(['digits', 'number', 'letters', 'phonetic', 'date', 'time', 'datetime']),
    value: Type.String({ description: 'Of date, time and datetime epoch seconds' }),
    timezone: Type.Optional(Type.String()),
    interrupt_digits: Type.Optional(Type.String()),
  }),
  Type.Object({
    type: Type.Literal('gather'),
    prompts: Type.Array(Prompt),
    input: Type.Array(Type.Enum(['digits', 'speech'])),
    min_digits: Type.Integer(),
    max_digits: Type.Integer(),
    terminator: Type.String({ description: 'Keys that end the input and are no part of it' }),
    timeout_ms: Type.Number(),
    inter_digit_timeout_ms: Type.Number(),
  }),
  Type.Object({
    type: Type.Literal('record'),
    name: Type.String(),
    format: Type.String(),
    max_seconds: Seconds,
    silence_seconds: Seconds,
    beep: Type.Boolean(),
    stop_digits: Type.String(),
  }),
  Type.Object({ type: Type.Literal('wait'), ms: Type.Number() }),
  Type.Object({
    type: Type.Literal('set'),
    variables: Type.Array(Type.Object({ name: Type.String(), value: Type.String() })),
  }),
  Type.Object({ type: Type.Literal('dial'), to: Type.String(), timeout_seconds: Seconds }),
  Type.Object({
    type: Type.Literal('transfer'),
    context: Type.String(),
    extension: Type.String(),
    priority: Type.Integer(),
    ingroup: Type.Optional(Type.String()),
  }),
  Type.Object({ type: Type.Literal('hangup'), cause: Type.Optional(Type.Integer()) }),
]);
export type WebhookAction = Static<typeof WebhookAction>;

/** Answer of the dialect `json`. `state` goes into the next request as it is; it is empty once `done`, and no further request is needed then. */
export const WebhookAnswer = Type.Object({
  call_id: Uuid,
  state: Type.String(),
  actions: Type.Array(WebhookAction),
  done: Type.Boolean(),
  outcome: Type.Optional(Type.Enum(['completed', 'transferred', 'caller_hangup', 'failed', 'limit'])),
  disposition: Type.Optional(Type.String()),
});
export type WebhookAnswer = Static<typeof WebhookAnswer>;
