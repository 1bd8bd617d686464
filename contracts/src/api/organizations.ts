import Type, { type Static } from 'typebox';
import { Canary, OrgSettings } from '../bundle.ts';
import { CampaignId, OrgId, Revision, ScriptId, Timestamp, Version } from '../ids.ts';

const Name = Type.String({ minLength: 1, maxLength: 200 });

export const OrgParams = Type.Object({ org_id: OrgId });
export const Organization = Type.Object({
  id: OrgId,
  name: Type.String(),
  settings: OrgSettings,
  revision: Revision,
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type Organization = Static<typeof Organization>;
export const CreateOrganization = Type.Object(
  { id: OrgId, name: Name, settings: Type.Optional(OrgSettings) },
  { additionalProperties: false },
);

/** Settings as a PATCH names them: null returns a field to its default. */
const SettingsPatch = Type.Object(
  Object.fromEntries(
    Object.entries(OrgSettings.properties).map(([name, schema]) => [
      name,
      Type.Optional(Type.Union([schema, Type.Null()])),
    ]),
  ),
  { additionalProperties: false },
);
export const PatchOrganization = Type.Object(
  { name: Type.Optional(Name), settings: Type.Optional(SettingsPatch) },
  { additionalProperties: false },
);

export const OrgKeyItem = Type.Object({
  generation: Type.Integer({ minimum: 1 }),
  key: Type.Optional(Type.String({ description: 'For admins alone' })),
  created_at: Timestamp,
  not_after: Type.Optional(Timestamp),
  revoked_at: Type.Optional(Timestamp),
  last_used_at: Type.Optional(Timestamp),
});

export const CampaignParams = Type.Object({ org_id: OrgId, campaign_id: CampaignId });
const VersionChoice = Type.Union([Type.Literal('latest'), Version]);
const Variables = Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,63}$' }), Type.Unknown(), {
  maxProperties: 256,
  additionalProperties: false,
});
const LeadVariables = Type.Array(
  Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,79}(\\([A-Za-z0-9_,-]{0,80}\\))?$' }),
  { maxItems: 64, uniqueItems: true },
);
const Status = Type.Enum(['active', 'paused']);

export const Campaign = Type.Object({
  id: CampaignId,
  name: Type.String(),
  status: Status,
  script_id: ScriptId,
  version: VersionChoice,
  /** The number that `latest` stands for now; null before the first publish. */
  plays_version: Type.Union([Version, Type.Null()]),
  variables: Variables,
  lead_variables: Type.Array(Type.String()),
  canary: Type.Optional(Canary),
  etag: Type.String(),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type Campaign = Static<typeof Campaign>;

const campaignFields = {
  name: Name,
  status: Type.Optional(Status),
  script_id: ScriptId,
  version: Type.Optional(VersionChoice),
  variables: Type.Optional(Variables),
  lead_variables: Type.Optional(LeadVariables),
};
export const CreateCampaign = Type.Object({ id: CampaignId, ...campaignFields }, { additionalProperties: false });
export const PutCampaign = Type.Object(campaignFields, { additionalProperties: false });
export const PatchCampaign = Type.Object(
  {
    name: Type.Optional(Name),
    script_id: Type.Optional(ScriptId),
    status: Type.Optional(Type.Union([Status, Type.Null()])),
    version: Type.Optional(Type.Union([VersionChoice, Type.Null()])),
    variables: Type.Optional(Type.Union([Variables, Type.Null()])),
    lead_variables: Type.Optional(Type.Union([LeadVariables, Type.Null()])),
  },
  { additionalProperties: false },
);
export type PutCampaign = Static<typeof PutCampaign>;

/** Body of `PUT …/canary`: `version` with exactly one of the two that say whose calls play it. */
export const PutCanary = Canary;
