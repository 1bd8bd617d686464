import type { CallContext } from '@voiceoi/script';
import type { PlayableOrg, PlayableScript } from '../sync/index.ts';
import type { Admitted } from './admission.ts';
import type { CallServices } from './call.ts';
import type { IncomingCall } from './ports.ts';
import { NodeTurnCall } from './turn-call.ts';
import { newCall } from './turn-context.ts';
import type { SavedCall, TurnAdmission } from './turn-ports.ts';

/** A call that no request came for so long no longer counts: its caller is gone, or another node plays it. */
const QUIET_MS = 600_000;
/** Quiet calls whose record is still to be written; beyond, the oldest get theirs at once. */
const MOST_QUIET = 20_000;
/** Script versions that are kept although the configuration may have no use for them any more. */
const MOST_VERSIONS = 128;

/** The calls over webhooks that this node knows. */
export class TurnCalls {
  readonly #services: CallServices;
  readonly #playable: (orgId: string) => PlayableOrg | undefined;
  readonly #onEnd: () => void;
  readonly #active = new Map<string, NodeTurnCall>();
  /**
   * Calls that may go on elsewhere. Their record is written when they must be over by their script's own limit: earlier, it could come before that of
   * the node that plays them, and the first one counts.
   */
  readonly #quiet = new Map<string, NodeTurnCall>();
  readonly #versions = new Map<string, PlayableScript>();

  constructor(services: CallServices, playable: (orgId: string) => PlayableOrg | undefined, onEnd: () => void) {
    this.#services = services;
    this.#playable = playable;
    this.#onEnd = onEnd;
  }

  get active(): number {
    return this.#active.size;
  }

  oldestAcceptedAt(): number {
    const [oldest] = this.#active.values();
    return oldest?.acceptedAt ?? Number.POSITIVE_INFINITY;
  }

  begin(callId: string, incoming: IncomingCall, admitted: Admitted): TurnAdmission {
    const { org, script, campaign } = admitted;
    const saved = newCall(callId, incoming, admitted, this.#services.nodeId);
    this.#remember(org.orgId, script);
    return this.#take(saved, org, script, campaign.campaign.variables as CallContext['variables']);
  }

  resume(orgId: string, saved: SavedCall): TurnAdmission {
    const org = this.#playable(orgId);
    if (!org) {
      const detail = 'no configuration of this organization yet';
      return { kind: 'refused', reason: 'no_configuration', detail };
    }
    const key = versionKey(saved.script, saved.version);
    const script = org.scripts.get(key) ?? this.#versions.get(`${orgId}/${key}`);
    if (script) this.#remember(orgId, script);
    return this.#take(saved, org, script, {});
  }

  sweep(now: number): void {
    for (const call of this.#active.values()) {
      call.expire(false);
      if (call.quietMs(now) >= QUIET_MS) this.#letGo(call);
    }
    for (const call of this.#quiet.values()) call.expire(true);
  }

  cutAll(reason: string): void {
    for (const call of [...this.#active.values(), ...this.#quiet.values()]) call.cut(reason);
  }

  #take(
    saved: SavedCall,
    org: PlayableOrg,
    script: PlayableScript | undefined,
    variables: CallContext['variables'],
  ): TurnAdmission {
    const call = new NodeTurnCall(saved, { org, script, variables }, this.#services, (ended) => this.#ended(ended));
    this.#quiet.delete(saved.id);
    this.#active.set(saved.id, call);
    return { kind: 'taken', call };
  }

  #letGo(call: NodeTurnCall): void {
    call.rest();
    this.#active.delete(call.id);
    this.#quiet.set(call.id, call);
    const [oldest] = this.#quiet.values();
    if (this.#quiet.size > MOST_QUIET) void oldest?.fail('no further request came');
    this.#onEnd();
  }

  #ended(call: NodeTurnCall): void {
    if (this.#active.get(call.id) === call) this.#active.delete(call.id);
    if (this.#quiet.get(call.id) === call) this.#quiet.delete(call.id);
    this.#onEnd();
  }

  #remember(orgId: string, script: PlayableScript): void {
    const key = `${orgId}/${versionKey(script.id, script.version)}`;
    this.#versions.delete(key);
    this.#versions.set(key, script);
    const [oldest] = this.#versions.keys();
    if (this.#versions.size > MOST_VERSIONS && oldest !== undefined) this.#versions.delete(oldest);
  }
}

function versionKey(script: string, version: number): string {
  return `${script}@${version}`;
}
