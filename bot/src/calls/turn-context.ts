import type { CallContext } from '@voiceoi/script';
import type { PlayableOrg } from '../sync/index.ts';
import type { Admitted } from './admission.ts';
import type { IncomingCall } from './ports.ts';
import type { CallIdentity } from './records.ts';
import type { SavedCall } from './turn-ports.ts';

/** A call as it begins, before its first turn. */
export function newCall(id: string, incoming: IncomingCall, admitted: Admitted, nodeId: string): SavedCall {
  const now = Math.round(Date.now() - (performance.now() - incoming.accepted_at));
  return {
    id,
    campaign: admitted.campaign.campaign.id,
    script: admitted.script.id,
    version: admitted.script.version,
    canary: admitted.isCanary,
    node: nodeId,
    started_at: now,
    issued_at: now,
    until: now + admitted.script.script.limits.max_call_seconds * 1000,
    turn: 0,
    sid: incoming.unique_id,
    channel: incoming.channel,
    caller: incoming.caller,
    dnid: incoming.dnid,
    args: incoming.args,
    lead: incoming.lead,
    steps: 0,
    awaited: { kind: 'done' },
    state: {},
  };
}

/** Who a call is in the records of this node. */
export function turnIdentity(saved: SavedCall, orgId: string, nodeId: string): CallIdentity {
  return {
    callId: saved.id,
    orgId,
    nodeId,
    campaignId: saved.campaign,
    scriptId: saved.script,
    version: saved.version,
    isCanary: saved.canary,
    caller: saved.caller.number,
    startedAtMs: saved.started_at,
    endsByMs: saved.until,
  };
}

/** What the script sees: the same on every node that plays a part of the call. */
export function turnContext(
  saved: SavedCall,
  { org, variables }: { readonly org: PlayableOrg; readonly variables: CallContext['variables'] },
  secrets: CallContext['secrets'],
): CallContext {
  const { id, campaign, script, version, node, channel, sid, caller, dnid, args, lead, started_at } = saved;
  const call = { id, org_id: org.orgId, campaign_id: campaign, script_id: script, version, node_id: node, channel };
  const found = { unique_id: sid, caller, dnid, context: '', extension: '', language: '', args };
  const { exec_allow, timezone } = org.settings;
  return {
    facts: { ...call, ...found, started_at_ms: started_at },
    lead,
    variables,
    secrets,
    ...(exec_allow && { exec_allow }),
    ...(timezone && { timezone }),
  };
}
