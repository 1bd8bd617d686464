import Type, { type TProperties, type TSchema } from 'typebox';

/** Bounds of the language; each keeps a script cheap to load and a call cheap to run. */
export const LIMITS = {
  steps: 1000,
  documentBytes: 512 * 1024,
  expressionLength: 2048,
  textLength: 4096,
  maxCallSeconds: 86_400,
  maxSteps: 10_000,
} as const;

export const STEP_NAME = '^[A-Za-z_][A-Za-z0-9_-]{0,63}$';
export const VARIABLE_NAME = '^[A-Za-z_][A-Za-z0-9_]{0,63}$';

export const StepName = Type.String({ pattern: STEP_NAME, description: 'Name of a step' });
export const Expression = Type.String({
  minLength: 1,
  maxLength: LIMITS.expressionLength,
  description: 'CEL expression',
});
export const Template = Type.String({
  maxLength: LIMITS.textLength,
  description: 'Text; `{{ … }}` is a CEL expression printed as text',
});
export const Disposition = Type.String({ pattern: '^[A-Z0-9_]{1,8}$', description: 'Disposition, for example `DNC`' });
/** Keys of a telephone. */
export const Keys = Type.String({ pattern: '^[0-9*#]{0,12}$', description: 'Keys, for example `12#`' });
export const Milliseconds = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum });

const NAME_RULE = 'begins with a letter or _ and has at most 64 letters, digits and _';

/** A map whose every name fits the pattern; `rule` says in words what a name is. */
export function named<const S extends TSchema>(pattern: string, rule: string, value: S, maxProperties: number) {
  return Type.Record(Type.String({ pattern }), value, {
    maxProperties,
    additionalProperties: false,
    description: `A name here ${rule}`,
  });
}

/** A map by names of variables. */
export function byVariable<const S extends TSchema>(value: S, maxProperties: number) {
  return named(VARIABLE_NAME, NAME_RULE, value, maxProperties);
}

/** A sound's name or address, or an object that says what is played. */
export const PromptField = Type.Union(
  [
    Type.String({ minLength: 1, maxLength: 1024 }),
    Type.Object({ sound: Type.String({ minLength: 1, maxLength: 1024 }) }, { additionalProperties: false }),
    Type.Object(
      {
        text: Type.String({ minLength: 1, maxLength: LIMITS.textLength }),
        voice: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
        language: Type.Optional(Type.String({ minLength: 1, maxLength: 32 })),
      },
      { additionalProperties: false },
    ),
    Type.Object({ digits: Type.String({ minLength: 1, maxLength: 256 }) }, { additionalProperties: false }),
  ],
  { description: 'a sound’s name or http(s) address, or an object with one of "sound", "text" and "digits"' },
);

/** Where outcomes lead. */
export const Wiring = named('^.{1,64}$', 'is an outcome of 1 to 64 characters', StepName, 64);

/** A step's schema: its own fields beside those that every step has. */
export function step<const T extends string, P extends TProperties>(type: T, fields: P) {
  return Type.Object(
    {
      type: Type.Literal(type),
      note: Type.Optional(Type.String({ maxLength: 2000, description: 'Shown in the editor' })),
      ...fields,
    },
    { additionalProperties: false },
  );
}

/** The fields of a step that leads on. */
export const leads = { next: Type.Optional(StepName), on: Type.Optional(Wiring) };
