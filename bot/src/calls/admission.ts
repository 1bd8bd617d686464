import type { BundleCampaign } from '@voiceoi/contracts';
import type { PlayableCampaign, PlayableOrg, PlayableScript } from '../sync/index.ts';
import type { IncomingCall, RefusalReason } from './ports.ts';

/** What admission looks at. */
export interface AdmissionView {
  readonly nodeId: string;
  readonly onlyOrg: string | undefined;
  serves(orgId: string): boolean;
  playable(orgId: string): PlayableOrg | undefined;
  readonly activeCalls: number;
  readonly maxCalls: number;
  readonly isTakingCalls: boolean;
  /** Ordered to take no new calls of this organization. */
  isDraining(orgId: string): boolean;
}

/** A call that the node takes, and what it is going to play. */
export interface Admitted {
  readonly kind: 'admitted';
  readonly org: PlayableOrg;
  readonly campaign: PlayableCampaign;
  readonly script: PlayableScript;
  readonly isCanary: boolean;
}

/** A call that it does not; `orgId` is there when the organization is known, so that a record can be written. */
export interface Refused {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  readonly detail: string;
  readonly orgId: string | undefined;
}

/** Decides about a call. Pure. `callId` chooses the share of a canary. */
export function admit(call: IncomingCall, callId: string, view: AdmissionView): Admitted | Refused {
  const orgId = call.org_id ?? view.onlyOrg;
  const refuse = (reason: RefusalReason, detail: string): Refused => ({
    kind: 'refused',
    reason,
    detail,
    orgId: orgId !== undefined && view.serves(orgId) ? orgId : undefined,
  });
  if (orgId === undefined) return refuse('bad_request', 'no org_id, and this node serves several organizations');
  if (!view.serves(orgId)) return refuse('unknown_org', 'no such organization on this node');
  if (!call.campaign_id) return refuse('bad_request', 'no campaign_id');
  if (!view.isTakingCalls) return refuse('draining', 'this node takes no new calls');
  if (view.isDraining(orgId)) return refuse('draining', 'this node takes no new calls of this organization');
  if (view.activeCalls >= view.maxCalls) return refuse('at_capacity', `this node is full (${view.maxCalls} calls)`);
  const org = view.playable(orgId);
  if (!org) return refuse('no_configuration', 'no configuration of this organization yet');
  const campaign = org.campaigns.get(call.campaign_id);
  if (!campaign) return refuse('unknown_campaign', 'no such campaign');
  if (campaign.campaign.status !== 'active') return refuse('campaign_paused', 'the campaign is paused');
  if (campaign.campaign.version === null) return refuse('no_script', 'the campaign’s script has no published version');
  const isCanary = campaign.canary !== undefined && isInCanary(campaign.campaign.canary, callId, view.nodeId);
  const script = isCanary ? campaign.canary : campaign.script;
  if (!script) return refuse('script_broken', 'the campaign’s script cannot be played');
  return { kind: 'admitted', org, campaign, script, isCanary };
}

/** Whether a call plays the canary: by its share of all calls, or because it came to one of the canary's nodes. */
function isInCanary(canary: BundleCampaign['canary'], callId: string, nodeId: string): boolean {
  return (canary?.percent ?? 0) > share(callId) || (canary?.node_ids?.includes(nodeId) ?? false);
}

/** A number from 0 up to 100 from the random part of a call's id (UUIDv7: its last 62 bits). */
function share(callId: string): number {
  return (Number.parseInt(callId.slice(-8), 16) / 0x1_0000_0000) * 100;
}
