import Type, { type Static } from 'typebox';
import { CampaignId, Epoch, NodeId, OrgId, Revision, ScriptId, Sha256, Timestamp, Version } from './ids.ts';

/** Settings of an organization. Unknown names are refused; every field has a default that the master fills in. */
export const OrgSettings = Type.Object(
  {
    timezone: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'IANA time zone, for example `America/New_York`' }),
    ),
    webhook_allow: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
        maxItems: 256,
        description: 'CIDR blocks and host names that scripts may call although they are not public addresses',
      }),
    ),
    exec_allow: Type.Optional(
      Type.Array(Type.String({ pattern: '^[A-Za-z0-9_]{1,64}$' }), {
        maxItems: 256,
        description: 'Asterisk applications that `exec` may run; replaces the default list',
      }),
    ),
    gateway_requests_per_second: Type.Optional(Type.Integer({ minimum: 1, maximum: 100000 })),
  },
  { additionalProperties: false },
);
export type OrgSettings = Static<typeof OrgSettings>;

/** A canary: part of the calls, or the calls of some nodes, play another version. */
export const Canary = Type.Object(
  {
    version: Version,
    percent: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
    node_ids: Type.Optional(Type.Array(NodeId, { minItems: 1, maxItems: 1000 })),
  },
  { additionalProperties: false },
);
export type Canary = Static<typeof Canary>;

/** Values that a campaign gives to its script's variables. */
export const CampaignVariables = Type.Record(
  Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,63}$' }),
  Type.Unknown(),
  { additionalProperties: false },
);

/** A campaign as nodes get it: `version` is the number that it plays; null while its script has no published version. */
export const BundleCampaign = Type.Object({
  id: CampaignId,
  name: Type.String(),
  status: Type.Union([Type.Literal('active'), Type.Literal('paused')]),
  script_id: ScriptId,
  version: Type.Union([Version, Type.Null()]),
  variables: CampaignVariables,
  lead_variables: Type.Array(Type.String()),
  canary: Type.Optional(Canary),
  updated_at: Timestamp,
});
export type BundleCampaign = Static<typeof BundleCampaign>;

/** One immutable script version; `sha256` is of `document` in RFC 8785 form. */
export const BundleScript = Type.Object({
  id: ScriptId,
  version: Version,
  document: Type.Record(Type.String(), Type.Unknown()),
  sha256: Sha256,
});
export type BundleScript = Static<typeof BundleScript>;

/** A secret, sealed once for every organization key that is good (contract.md, Sync API). */
export const BundleSecret = Type.Object({
  name: Type.String(),
  version: Type.Integer({ minimum: 1 }),
  sealed: Type.Record(Type.String(), Type.String()),
});
export type BundleSecret = Static<typeof BundleSecret>;

const Address = Type.Object({ host: Type.String(), port: Type.Integer() });

/** An organization's own way into Redis; `cluster` or `sentinels` where it is more than one server, whose first is then `host` and `port`. */
export const RedisBus = Type.Object({
  kind: Type.Literal('redis'),
  ...Address.properties,
  tls: Type.Boolean(),
  username: Type.String(),
  password: Type.String(),
  cluster: Type.Optional(Type.Array(Address)),
  sentinels: Type.Optional(Type.Array(Address)),
  master_name: Type.Optional(Type.String()),
});
export type RedisBus = Static<typeof RedisBus>;

/** Where changes come from: Redis, or the master's HTTP stream. */
export const Bus = Type.Union([RedisBus, Type.Object({ kind: Type.Literal('stream') })]);
export type Bus = Static<typeof Bus>;

/** The part of a bundle that its `sha256` covers. */
export const BundleContent = Type.Object({
  org_id: OrgId,
  epoch: Epoch,
  revision: Revision,
  settings: OrgSettings,
  campaigns: Type.Array(BundleCampaign),
  scripts: Type.Array(BundleScript),
});
export type BundleContent = Static<typeof BundleContent>;

/** Everything that a node needs to play an organization's calls: `GET /api/sync/campaigns`. */
export const Bundle = Type.Object({
  schema: Type.Literal(1),
  ...BundleContent.properties,
  sha256: Sha256,
  generated_at: Timestamp,
  secrets: Type.Array(BundleSecret),
  bus: Bus,
});
export type Bundle = Static<typeof Bundle>;
