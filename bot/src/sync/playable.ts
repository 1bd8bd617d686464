import type { BundleCampaign, BundleContent, BundleScript, OrgSettings } from '@voiceoi/contracts';
import { type CompiledScript, compile } from '@voiceoi/script';

/** A script version that this node does not play, and why. */
export interface Rejection {
  readonly kind: 'script';
  readonly id: string;
  readonly version: number;
  readonly code: string;
  readonly message: string;
}

/** A script version, ready to play. */
export interface PlayableScript {
  readonly id: string;
  readonly version: number;
  readonly sha256: string;
  readonly script: CompiledScript;
}

/** A campaign with what its calls play; without a script when it has none that can be played. */
export interface PlayableCampaign {
  readonly campaign: BundleCampaign;
  readonly script: PlayableScript | undefined;
  readonly canary: PlayableScript | undefined;
}

/** An organization's configuration, ready for calls: replaced as a whole, never changed. */
export interface PlayableOrg {
  readonly orgId: string;
  readonly epoch: string;
  readonly revision: number;
  readonly sha256: string;
  readonly settings: OrgSettings;
  readonly campaigns: ReadonlyMap<string, PlayableCampaign>;
  /** By `<script_id>@<version>`. */
  readonly scripts: ReadonlyMap<string, PlayableScript>;
  readonly rejected: readonly Rejection[];
}

/**
 * Makes a configuration ready to play. A script version that does not compile is rejected, and its campaigns go on with the version that they
 * played before; everything else takes hold. Versions that `before` has compiled already are not compiled again.
 */
export function makePlayable(content: BundleContent, sha256: string, before?: PlayableOrg): PlayableOrg {
  const rejected: Rejection[] = [];
  const scripts = new Map<string, PlayableScript>();
  for (const entry of content.scripts) {
    const known = before?.scripts.get(scriptKey(entry.id, entry.version));
    const script = known?.sha256 === entry.sha256 ? known : compileEntry(entry, rejected);
    if (script) scripts.set(scriptKey(entry.id, entry.version), script);
  }
  const campaigns = new Map(
    content.campaigns.map((campaign) => [campaign.id, playableCampaign(campaign, scripts, before)]),
  );
  // A version that campaigns fall back to stays known, so that it outlives further changes.
  for (const { script } of campaigns.values()) if (script) scripts.set(scriptKey(script.id, script.version), script);
  const { org_id: orgId, epoch, revision, settings } = content;
  return { orgId, epoch, revision, sha256, settings, campaigns, scripts, rejected };
}

export function scriptKey(id: string, version: number): string {
  return `${id}@${version}`;
}

function compileEntry(entry: BundleScript, rejected: Rejection[]): PlayableScript | undefined {
  const result = compile(entry.document, { exec_allow: applicationsOf(entry.document) });
  if (result.ok) return { id: entry.id, version: entry.version, sha256: entry.sha256, script: result.script };
  const [first] = result.errors;
  const message = first ? `${first.path}: ${first.message}` : 'cannot be compiled';
  rejected.push({ kind: 'script', id: entry.id, version: entry.version, code: first?.code ?? 'SCHEMA', message });
  return undefined;
}

/**
 * The applications that a script names. Whether they are allowed was the master's to say when the version was published; a setting that has changed since is
 * the step's outcome `unavailable`, and no reason to play nothing.
 */
function applicationsOf(document: BundleScript['document']): readonly string[] {
  const steps = document['steps'];
  const all: readonly unknown[] = typeof steps === 'object' && steps !== null ? Object.values(steps) : [];
  return all.flatMap((step) =>
    typeof step === 'object' && step !== null && 'application' in step ? [String(step.application)] : [],
  );
}

function playableCampaign(
  campaign: BundleCampaign,
  scripts: ReadonlyMap<string, PlayableScript>,
  before: PlayableOrg | undefined,
): PlayableCampaign {
  const find = (version: number | null | undefined): PlayableScript | undefined =>
    version == null ? undefined : scripts.get(scriptKey(campaign.script_id, version));
  const earlier = before?.campaigns.get(campaign.id)?.script;
  const fallback = campaign.version !== null && earlier?.id === campaign.script_id ? earlier : undefined;
  return { campaign, script: find(campaign.version) ?? fallback, canary: find(campaign.canary?.version) };
}
