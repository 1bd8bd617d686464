import {
  BundleCampaign,
  BundleScript,
  Canary,
  Change,
  Epoch,
  OrgId,
  OrgSettings,
  RedisBus,
  Revision,
  Sha256,
} from '@voiceoi/contracts';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';

const Named = Type.Object({ id: Type.String({ minLength: 1 }) });
const Numbered = Type.Object({ id: Type.String({ minLength: 1 }), version: Type.Integer() });
const Secret = Type.Object({ name: Type.String({ minLength: 1 }) });

/**
 * What a node insists on in a bundle. Fields that it does not know are passed over, since the master may be newer, and single campaigns and scripts
 * are looked at as they are made playable: one that is broken must not hold up the others.
 */
const Envelope = Type.Object({
  schema: Type.Literal(1),
  org_id: OrgId,
  epoch: Epoch,
  revision: Revision,
  sha256: Sha256,
  settings: Type.Object({}),
  campaigns: Type.Array(Named),
  scripts: Type.Array(Numbered),
  secrets: Type.Optional(Type.Array(Secret)),
  bus: Type.Optional(Type.Unknown()),
});

export type WireBundle = Static<typeof Envelope>;
export type WireCampaign = Static<typeof Named>;
export type WireScript = Static<typeof Numbered>;
export type WireSecret = Static<typeof Secret>;

/** The part of a bundle that its `sha256` covers, as it came. Shared between revisions and never changed. */
export interface WireContent {
  readonly org_id: string;
  readonly epoch: string;
  readonly revision: number;
  readonly settings: object;
  readonly campaigns: readonly WireCampaign[];
  readonly scripts: readonly WireScript[];
}

const bundle = Compile(Envelope);
const change = Compile(Change);
const named = Compile(Named);
const numbered = Compile(Numbered);
const secret = Compile(Secret);
const campaign = Compile(
  Type.Object({ ...BundleCampaign.properties, canary: Type.Optional(Type.Object(Canary.properties)) }),
);
const script = Compile(BundleScript);
const redisBus = Compile(RedisBus);
const settings = Compile(Type.Object(OrgSettings.properties));

export const isBundle = (value: unknown): value is WireBundle => bundle.Check(value);
export const isChange = (value: unknown): value is Change => change.Check(value);
export const isNamed = (value: unknown): value is WireCampaign => named.Check(value);
export const isNumbered = (value: unknown): value is WireScript => numbered.Check(value);
export const isSecret = (value: unknown): value is WireSecret => secret.Check(value);
export const isCampaign = (value: unknown): value is BundleCampaign => campaign.Check(value);
export const isScript = (value: unknown): value is BundleScript => script.Check(value);
export const isRedisBus = (value: unknown): value is RedisBus => redisBus.Check(value);
export const isSettings = (value: unknown): value is OrgSettings => settings.Check(value);

/** Whether a bundle is of a format that came after this version of the node. */
export function isNewerFormat(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'schema' in value &&
    typeof value.schema === 'number' &&
    value.schema > 1
  );
}

export function contentOf({ org_id, epoch, revision, settings, campaigns, scripts }: WireBundle): WireContent {
  return { org_id, epoch, revision, settings, campaigns, scripts };
}

/** Names a script version within an organization. */
export function scriptKey({ id, version }: { readonly id: string; readonly version: number }): string {
  return `${id}@${version}`;
}
