import Type, { type Static } from 'typebox';
import { OrgId, ScriptId, Sha256, Timestamp, Version } from '../ids.ts';

const Name = Type.String({ minLength: 1, maxLength: 200 });
/** Any JSON object: a draft may hold errors. */
export const Document = Type.Record(Type.String(), Type.Unknown());

export const ScriptParams = Type.Object({ org_id: OrgId, script_id: ScriptId });
export const VersionParams = Type.Object({
  org_id: OrgId,
  script_id: ScriptId,
  version: Type.String({ pattern: '^[1-9][0-9]{0,9}$', description: 'Script version, from 1' }),
});

export const Script = Type.Object({
  id: ScriptId,
  name: Type.String(),
  latest_version: Type.Union([Version, Type.Null()]),
  has_draft: Type.Boolean(),
  etag: Type.String(),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type Script = Static<typeof Script>;
export const CreateScript = Type.Object(
  { id: ScriptId, name: Name, document: Type.Optional(Document) },
  { additionalProperties: false },
);
export const PatchScript = Type.Object({ name: Type.Optional(Name) }, { additionalProperties: false });

const Issue = Type.Object({ code: Type.String(), path: Type.String(), message: Type.String() });
export const ValidationAnswer = Type.Object({
  valid: Type.Boolean(),
  errors: Type.Array(Issue),
  warnings: Type.Array(Issue),
});
export const Draft = Type.Object({ document: Document, etag: Type.String(), validation: ValidationAnswer });
export const PutDraft = Type.Object({ document: Document }, { additionalProperties: false });
export const ValidateRequest = Type.Object({ document: Type.Optional(Document) }, { additionalProperties: false });

const Note = Type.String({ maxLength: 2000 });
export const PublishRequest = Type.Object({ note: Type.Optional(Note) }, { additionalProperties: false });
export const RollbackRequest = Type.Object(
  { version: Version, note: Type.Optional(Note) },
  { additionalProperties: false },
);
export const Published = Type.Object({ version: Version });

export const VersionItem = Type.Object({
  version: Version,
  sha256: Sha256,
  note: Type.String(),
  published_at: Timestamp,
  published_by: Type.String(),
});
export const VersionDocument = Type.Object({ ...VersionItem.properties, document: Document });

const DiffSide = Type.String({ pattern: '^([1-9][0-9]{0,9}|draft)$', description: 'A version, or `draft`' });
export const DiffQuery = Type.Object({ from: DiffSide, to: DiffSide }, { additionalProperties: false });
export const DiffAnswer = Type.Object({
  from: Type.String(),
  to: Type.String(),
  changes: Type.Array(
    Type.Object({
      op: Type.Enum(['add', 'remove', 'replace']),
      path: Type.String(),
      before: Type.Optional(Type.Unknown()),
      after: Type.Optional(Type.Unknown()),
    }),
  ),
});

const Texts = Type.Record(Type.String({ maxLength: 128 }), Type.String({ maxLength: 4096 }), {
  maxProperties: 256,
  additionalProperties: false,
});
const Input = Type.Union([
  Type.Object({ digits: Type.String({ pattern: '^[0-9*#]{1,128}$' }) }, { additionalProperties: false }),
  Type.Object({ timeout: Type.Literal(true) }, { additionalProperties: false }),
  Type.Object({ speech: Type.String({ maxLength: 4096 }) }, { additionalProperties: false }),
  Type.Object({ hangup: Type.Literal(true) }, { additionalProperties: false }),
  Type.Object(
    {
      response: Type.Object(
        {
          status: Type.Integer({ minimum: 100, maximum: 599 }),
          body: Type.Optional(Type.Unknown()),
          headers: Type.Optional(Texts),
        },
        { additionalProperties: false },
      ),
    },
    { additionalProperties: false },
  ),
  Type.Object({ outcome: Type.String({ minLength: 1, maxLength: 64 }) }, { additionalProperties: false }),
]);
export const SimulateRequest = Type.Object(
  {
    document: Type.Optional(Document),
    version: Type.Optional(Version),
    caller: Type.Optional(
      Type.Object(
        { number: Type.String({ maxLength: 64 }), name: Type.Optional(Type.String({ maxLength: 256 })) },
        { additionalProperties: false },
      ),
    ),
    lead: Type.Optional(Texts),
    args: Type.Optional(Texts),
    variables: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { maxProperties: 256 })),
    inputs: Type.Array(Input, { maxItems: 1000 }),
  },
  { additionalProperties: false },
);
export type SimulateRequest = Static<typeof SimulateRequest>;
export const SimulateAnswer = Type.Object({
  outcome: Type.String(),
  disposition: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
  steps: Type.Array(
    Type.Object({
      step: Type.String(),
      type: Type.String(),
      outcome: Type.String(),
      effects: Type.Array(Type.Record(Type.String(), Type.Unknown())),
    }),
  ),
  variables: Type.Record(Type.String(), Type.Unknown()),
  inputs_left: Type.Integer({ minimum: 0 }),
});
