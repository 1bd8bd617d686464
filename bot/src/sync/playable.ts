import type { BundleCampaign, BundleScript, OrgSettings } from '@voiceoi/contracts';
import { type CompiledScript, compile } from '@voiceoi/script';
import {
  isCampaign,
  isScript,
  isSettings,
  scriptKey,
  type WireCampaign,
  type WireContent,
  type WireScript,
} from './wire.ts';

/** Something that this node does not play as the master has it, and why. */
export interface Rejection {
  readonly kind: 'script' | 'campaign' | 'settings';
  readonly id: string;
  /** Of a script. */
  readonly version?: number;
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

/** A version that a campaign goes on with although the bundle no longer has it: the last that could be played. */
export interface Fallback {
  readonly campaign_id: string;
  readonly script: BundleScript;
}

/** What was playable before, as far as the next revision may fall back to it. */
export type Before = Pick<PlayableOrg, 'campaigns' | 'scripts' | 'settings'>;

/**
 * Makes a configuration ready to play. A script version that does not compile, or a campaign that cannot be understood, is rejected and its last good
 * one goes on; everything else takes hold. Versions that `before` has compiled already are not compiled again.
 */
export function makePlayable(content: WireContent, sha256: string, before?: Before): PlayableOrg {
  const rejected: Rejection[] = [];
  const scripts = new Map<string, PlayableScript>();
  for (const entry of content.scripts) {
    const script = playableScript(entry, before, rejected);
    if (script) scripts.set(scriptKey(script), script);
  }
  const settings = playableSettings(content.settings, before, rejected);
  const campaigns = new Map<string, PlayableCampaign>();
  for (const entry of content.campaigns) {
    const campaign = playableCampaign(entry, scripts, before, rejected);
    if (campaign) campaigns.set(entry.id, campaign);
  }
  // A version that campaigns fall back to stays known, so that it outlives further changes.
  for (const { script } of campaigns.values()) if (script) scripts.set(scriptKey(script), script);
  const { org_id: orgId, epoch, revision } = content;
  return { orgId, epoch, revision, sha256, settings, campaigns, scripts, rejected };
}

/** The versions that campaigns play and `content` does not have: what has to be kept for a restart. */
export function fallbacksOf(playable: PlayableOrg, content: WireContent): readonly Fallback[] {
  const known = new Map(content.scripts.map((script) => [scriptKey(script), script]));
  return [...playable.campaigns.values()].flatMap(({ campaign, script }) => {
    const entry = script && known.get(scriptKey(script));
    const isKnown = entry !== undefined && 'sha256' in entry && entry.sha256 === script?.sha256;
    if (!script || isKnown) return [];
    const { id, version, sha256, script: compiled } = script;
    return [{ campaign_id: campaign.id, script: { id, version, document: { ...compiled.document }, sha256 } }];
  });
}

/** What `fallbacksOf` kept, as the `before` of the first revision after a restart. Anything else is passed over. */
export function playableFallbacks(value: unknown, campaigns: readonly WireCampaign[]): Before {
  const scripts = new Map<string, PlayableScript>();
  const playable = new Map<string, PlayableCampaign>();
  for (const entry of Array.isArray(value) ? value : []) {
    const { campaign_id: id, script: kept } = asFallback(entry);
    const campaign = campaigns.find((candidate) => candidate.id === id);
    const script = isScript(kept) ? playableScript(kept, undefined, []) : undefined;
    if (!script || !isCampaign(campaign)) continue;
    scripts.set(scriptKey(script), script);
    playable.set(campaign.id, { campaign, script, canary: undefined });
  }
  return { campaigns: playable, scripts, settings: {} };
}

function asFallback(entry: unknown): { readonly campaign_id?: unknown; readonly script?: unknown } {
  return typeof entry === 'object' && entry !== null ? entry : {};
}

function playableScript(
  entry: WireScript,
  before: Before | undefined,
  rejected: Rejection[],
): PlayableScript | undefined {
  const { id, version } = entry;
  if (!isScript(entry)) {
    rejected.push({ kind: 'script', id, version, code: 'SCHEMA', message: 'the script has another shape' });
    return undefined;
  }
  const { document, sha256 } = entry;
  const known = before?.scripts.get(scriptKey(entry));
  if (known?.sha256 === sha256) return known;
  // Which applications may run is decided as a call runs: settings change under scripts that are published.
  const result = compile(document, { exec_allow: applicationsIn(document) });
  if (result.ok) return { id, version, sha256, script: result.script };
  const [first] = result.errors;
  const message = first ? `${first.path}: ${first.message}` : 'cannot be compiled';
  rejected.push({ kind: 'script', id, version, code: first?.code ?? 'SCHEMA', message });
  return undefined;
}

function applicationsIn(document: { readonly [name: string]: unknown }): readonly string[] {
  const steps = document['steps'];
  if (typeof steps !== 'object' || steps === null) return [];
  return Object.values(steps).flatMap((step: unknown) => {
    const isExec = typeof step === 'object' && step !== null && 'application' in step;
    return isExec && typeof step.application === 'string' ? [step.application] : [];
  });
}

function playableSettings(settings: object, before: Before | undefined, rejected: Rejection[]): OrgSettings {
  if (isSettings(settings)) return settings;
  rejected.push({ kind: 'settings', id: 'settings', code: 'SCHEMA', message: 'the settings have another shape' });
  return before?.settings ?? {};
}

function playableCampaign(
  campaign: WireCampaign,
  scripts: ReadonlyMap<string, PlayableScript>,
  before: Before | undefined,
  rejected: Rejection[],
): PlayableCampaign | undefined {
  const earlier = before?.campaigns.get(campaign.id);
  if (!isCampaign(campaign)) {
    rejected.push({ kind: 'campaign', id: campaign.id, code: 'SCHEMA', message: 'the campaign has another shape' });
    return earlier;
  }
  const find = (version: number | null | undefined): PlayableScript | undefined =>
    version == null ? undefined : scripts.get(scriptKey({ id: campaign.script_id, version }));
  const isSameScript = campaign.version !== null && earlier?.script?.id === campaign.script_id;
  return {
    campaign,
    script: find(campaign.version) ?? (isSameScript ? earlier.script : undefined),
    canary: find(campaign.canary?.version),
  };
}
