import Type, { type Static, type TSchema } from 'typebox';
import { byVariable, LIMITS, StepName } from './fields.ts';
import { STEP_TYPES } from './step-types.ts';

export const SCHEMA_ID = 'voiceoi/script/v1';

const Variable = Type.Object(
  {
    type: Type.Enum(['string', 'int', 'double', 'bool', 'list', 'map']),
    default: Type.Optional(Type.Unknown()),
    note: Type.Optional(Type.String({ maxLength: 2000 })),
  },
  { additionalProperties: false },
);
export type Variable = Static<typeof Variable>;

/** The document around its steps; each step is checked against the schema of its own type. */
export const Frame = Type.Object(
  {
    schema: Type.Literal(SCHEMA_ID),
    entry: StepName,
    variables: Type.Optional(byVariable(Variable, 256)),
    limits: Type.Optional(
      Type.Object(
        {
          max_call_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxCallSeconds })),
          max_steps: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxSteps })),
        },
        { additionalProperties: false },
      ),
    ),
    on_error: Type.Optional(StepName),
    on_hangup: Type.Optional(StepName),
    note: Type.Optional(Type.String({ maxLength: 10_000 })),
    steps: Type.Record(Type.String(), Type.Unknown()),
  },
  { additionalProperties: false },
);

type StepTypes = typeof STEP_TYPES;

/** One step of any type. */
export type Step = { [K in keyof StepTypes]: Static<StepTypes[K]['schema']> }[keyof StepTypes];
export type StepOf<T extends Step['type']> = Extract<Step, { type: T }>;

/** A script whose shape is right. */
export type ScriptDocument = Omit<Static<typeof Frame>, 'steps'> & {
  readonly steps: { readonly [name: string]: Step };
};

/** JSON Schema of the language, for editors: `GET /api/schemas/script/v1`. */
export function scriptSchema(): TSchema {
  const step = Type.Union(Object.values(STEP_TYPES).map(({ schema }) => schema));
  const named = Type.Record(StepName, step, {
    maxProperties: LIMITS.steps,
    minProperties: 1,
    additionalProperties: false,
  });
  return Type.Object(
    { ...Frame.properties, steps: named },
    { $id: SCHEMA_ID, title: 'VoiceOI call script, version 1', additionalProperties: false },
  );
}
