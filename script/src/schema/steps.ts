import Type from 'typebox';
import {
  byVariable,
  Disposition,
  Expression,
  Keys,
  leads,
  Milliseconds,
  named,
  PromptField,
  StepName,
  step,
  Template,
  VARIABLE_NAME,
} from './fields.ts';

const Prompts = Type.Array(PromptField, { minItems: 1, maxItems: 50 });
const Save = byVariable(Expression, 64);
const CHANNEL_VARIABLE = '^(?!AGIEXECFULL$|AGISIGHUP$|AGIEXITONHANGUP$)[A-Za-z_][A-Za-z0-9_]{0,79}$';
const ChannelVariables = named(
  CHANNEL_VARIABLE,
  'is a channel variable’s: a letter or _, then letters, digits and _; no function, and none of AGIEXECFULL, AGISIGHUP, AGIEXITONHANGUP',
  Template,
  64,
);

export const AnswerStep = step('answer', { ...leads });
export const PlayStep = step('play', { prompts: Prompts, interrupt_digits: Type.Optional(Keys), ...leads });
export const SayStep = step('say', {
  as: Type.Enum(['digits', 'number', 'letters', 'phonetic', 'date', 'time', 'datetime']),
  value: Template,
  interrupt_digits: Type.Optional(Keys),
  ...leads,
});
export const GatherStep = step('gather', {
  prompts: Type.Optional(Type.Array(PromptField, { maxItems: 50 })),
  min_digits: Type.Optional(Type.Integer({ minimum: 1, maximum: 128 })),
  max_digits: Type.Optional(Type.Integer({ minimum: 1, maximum: 128 })),
  terminator: Type.Optional(Type.String({ pattern: '^[0-9*#]{0,1}$' })),
  timeout_ms: Type.Optional(Milliseconds(100, 120_000)),
  inter_digit_timeout_ms: Type.Optional(Milliseconds(100, 60_000)),
  attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 20 })),
  accept: Type.Optional(Expression),
  save: Type.Optional(Type.String({ pattern: VARIABLE_NAME })),
  input: Type.Optional(Type.Array(Type.Enum(['digits', 'speech']), { minItems: 1, maxItems: 2 })),
  ...leads,
});
export const RecordStep = step('record', {
  name: Template,
  format: Type.Optional(Type.String({ pattern: '^[a-z0-9]{1,10}$' })),
  max_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 7200 })),
  silence_seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 600 })),
  beep: Type.Optional(Type.Boolean()),
  stop_digits: Type.Optional(Keys),
  save: Type.Optional(Type.String({ pattern: VARIABLE_NAME })),
  ...leads,
});
export const WaitStep = step('wait', { ms: Milliseconds(1, 600_000), ...leads });
export const SetStep = step('set', {
  values: Type.Optional(Save),
  channel: Type.Optional(ChannelVariables),
  ...leads,
});
export const BranchStep = step('branch', {
  cases: Type.Array(Type.Object({ when: Expression, next: StepName }, { additionalProperties: false }), {
    minItems: 1,
    maxItems: 100,
  }),
  else: StepName,
  on: Type.Optional(Type.Object({ error: StepName }, { additionalProperties: false })),
});
export const SplitStep = step('split', {
  arms: Type.Array(
    Type.Object(
      {
        name: Type.String({ pattern: '^[A-Za-z0-9_-]{1,32}$' }),
        weight: Type.Number({ minimum: 0, maximum: 1_000_000 }),
        next: StepName,
      },
      { additionalProperties: false },
    ),
    { minItems: 1, maxItems: 20 },
  ),
  on: Type.Optional(Type.Object({ error: StepName }, { additionalProperties: false })),
});
export const WebhookStep = step('webhook', {
  method: Type.Optional(Type.Enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])),
  url: Type.String({ minLength: 1, maxLength: 2048 }),
  headers: Type.Optional(named('^[A-Za-z0-9-]{1,64}$', 'is a header’s: 1 to 64 letters, digits and -', Template, 32)),
  body: Type.Optional(Type.Unknown()),
  timeout_ms: Type.Optional(Milliseconds(50, 10_000)),
  retries: Type.Optional(Type.Integer({ minimum: 0, maximum: 3 })),
  save: Type.Optional(Save),
  ...leads,
});
export const ExecStep = step('exec', {
  application: Type.String({ pattern: '^[A-Za-z0-9_]{1,64}$' }),
  arguments: Type.Optional(Type.Array(Template, { maxItems: 32 })),
  ...leads,
});
const detector = Type.Optional(Type.Integer({ minimum: 0, maximum: 60_000 }));
export const AmdStep = step('amd', {
  initial_silence_ms: detector,
  greeting_ms: detector,
  after_greeting_silence_ms: detector,
  total_analysis_ms: detector,
  min_word_length_ms: detector,
  between_words_silence_ms: detector,
  maximum_number_of_words: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  silence_threshold: Type.Optional(Type.Integer({ minimum: 0, maximum: 32_767 })),
  maximum_word_length_ms: detector,
  ...leads,
});
export const TransferStep = step('transfer', {
  to: Type.Union(
    [
      Type.Object(
        {
          context: Type.String({ minLength: 1, maxLength: 80 }),
          extension: Type.String({ minLength: 1, maxLength: 80 }),
          priority: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
        },
        { additionalProperties: false },
      ),
      Type.Object(
        {
          dial: Type.String({ minLength: 1, maxLength: 256 }),
          timeout_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 600 })),
        },
        { additionalProperties: false },
      ),
      Type.Object({ ingroup: Type.String({ pattern: '^[A-Za-z0-9_-]{1,20}$' }) }, { additionalProperties: false }),
    ],
    { description: 'an object with "context" and "extension", with "dial", or with "ingroup"' },
  ),
  disposition: Type.Optional(Disposition),
  ...leads,
});
export const DisposeStep = step('dispose', {
  disposition: Disposition,
  comment: Type.Optional(Template),
  fields: Type.Optional(byVariable(Template, 32)),
  ...leads,
});
export const HangupStep = step('hangup', {
  disposition: Type.Optional(Disposition),
  cause: Type.Optional(Type.Integer({ minimum: 1, maximum: 127 })),
  on: Type.Optional(Type.Object({ error: StepName }, { additionalProperties: false })),
});
export const ReturnStep = step('return', {
  disposition: Type.Optional(Disposition),
  variables: Type.Optional(ChannelVariables),
  on: Type.Optional(Type.Object({ error: StepName }, { additionalProperties: false })),
});
