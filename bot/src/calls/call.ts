import type { Logger } from '@voiceoi/kernel';
import {
  advance,
  type CallContext,
  type CallEnd,
  type CallEvent,
  type Effect,
  type EffectResult,
  start,
  type Turn,
} from '@voiceoi/script';
import type { Outbound } from '../outbound/index.ts';
import type { LogSink } from '../spool/index.ts';
import type { Admitted } from './admission.ts';
import type { CallMetrics } from './metrics.ts';
import type { CallChannel, IncomingCall } from './ports.ts';
import { type CallIdentity, callRecord, eventRecord, startRecord, type TimedStep } from './records.ts';

/** What every call of a node uses. */
export interface CallServices {
  readonly nodeId: string;
  readonly sink: LogSink;
  readonly outbound: Outbound;
  readonly metrics: CallMetrics;
  readonly log: Logger;
}

/** After its time is over, a running command has this long to end. */
const GRACE_MS = 5000;

/** One call from its admission to its records. It keeps the script version it began with, whatever is published meanwhile. */
export class Call {
  readonly acceptedAt: number;
  readonly #admitted: Admitted;
  readonly #incoming: IncomingCall;
  readonly #services: CallServices;
  readonly #identity: CallIdentity;
  readonly #steps: TimedStep[] = [];
  #channel: CallChannel | undefined;
  #lead: { readonly [name: string]: string };
  #isOver = false;
  #overReason: string | undefined;
  #sawHangup = false;
  #stopWork: AbortController | undefined;
  #turn: { readonly seq: unknown; readonly ms: number } | undefined;
  #answeredAtMs: number | undefined;
  #slowestTurnMs: number | undefined;

  constructor(callId: string, incoming: IncomingCall, admitted: Admitted, services: CallServices) {
    this.acceptedAt = incoming.accepted_at;
    this.#incoming = incoming;
    this.#admitted = admitted;
    this.#services = services;
    this.#lead = incoming.lead;
    this.#identity = {
      callId,
      orgId: admitted.org.orgId,
      nodeId: services.nodeId,
      campaignId: admitted.campaign.campaign.id,
      scriptId: admitted.script.id,
      version: admitted.script.version,
      isCanary: admitted.isCanary,
      caller: incoming.caller.number,
      startedAtMs: Date.now() - (performance.now() - incoming.accepted_at),
    };
  }

  /** Ends the call when it has lasted longer than its script allows. `now` is `performance.now()`. */
  sweep(now: number): void {
    const seconds = this.#admitted.script.script.limits.max_call_seconds;
    if (now - this.acceptedAt >= seconds * 1000) this.endNow(undefined);
  }

  /** The running command ends, or is ended after a grace, and the call with it. `reason` stands in its record. */
  endNow(reason: string | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#overReason = reason;
    this.#stopWork?.abort();
    this.#channel?.abort(GRACE_MS);
  }

  /** Plays the script over the channel and writes the records. Never rejects. */
  async run(channel: CallChannel): Promise<void> {
    this.#channel = channel;
    const end = await this.#play(channel).catch((error: unknown): CallEnd => {
      this.#services.log.error(
        { err: error, call_id: this.#identity.callId },
        'unexpected error in a call: it goes back to the dialplan',
      );
      return { outcome: 'failed', reason: 'unexpected error' };
    });
    await channel.setVariables([
      { name: 'VOICEOI_OUTCOME', value: end.outcome },
      { name: 'VOICEOI_DISPOSITION', value: end.disposition ?? '' },
    ]);
    channel.close();
    this.#record(this.#overReason === undefined ? end : { ...end, reason: this.#overReason }, channel);
  }

  async #play(channel: CallChannel): Promise<CallEnd> {
    const { script } = this.#admitted.script;
    await this.#prepare(channel);
    const context = this.#context();
    let turn = start(script, context, this.#atMs());
    for (;;) {
      this.#keep(turn);
      if (turn.end || !turn.effect) return turn.end ?? { outcome: 'failed', reason: 'nothing to do' };
      turn = advance(script, context, turn.state, await this.#carryOut(turn, turn.effect, channel));
    }
  }

  /** Tells the channel who it is, and reads what the campaign wants to know of it. */
  async #prepare(channel: CallChannel): Promise<void> {
    await channel.setVariables([{ name: 'VOICEOI_CALL_ID', value: this.#identity.callId }]);
    const { orgId, campaignId } = this.#identity;
    if (channel.firstCommandAt !== undefined)
      this.#services.metrics.firstCommand(orgId, campaignId)((channel.firstCommandAt - this.acceptedAt) / 1000);
    const names = this.#admitted.campaign.campaign.lead_variables;
    if (names.length > 0) this.#lead = { ...this.#lead, ...Object.fromEntries(await channel.readVariables(names)) };
    this.#services.sink.append(orgId, [startRecord(this.#identity, this.#leadId())]);
  }

  async #carryOut(turn: Turn, effect: Effect, channel: CallChannel): Promise<CallEvent> {
    const repliedAt = channel.lastReplyAt;
    const commandedAt = channel.lastCommandAt;
    const pending = effect.kind === 'http' ? this.#webhook(effect, channel) : channel.perform(effect);
    if (channel.lastCommandAt > commandedAt) this.#measureTurn(turn, channel.lastCommandAt - repliedAt);
    const result = await pending;
    const at_ms = this.#atMs();
    if (effect.kind === 'answer' && result.kind === 'done') this.#answeredAtMs ??= at_ms;
    if (this.#isOver) return { kind: 'limit', at_ms };
    if (channel.hungUp && !this.#sawHangup) {
      this.#sawHangup = true;
      return { kind: 'hangup', at_ms, result };
    }
    return { kind: 'result', at_ms, result };
  }

  /** A request whose caller leaves meanwhile is given up; one that runs after the hangup is not. */
  async #webhook(effect: Extract<Effect, { kind: 'http' }>, channel: CallChannel): Promise<EffectResult> {
    const stop = new AbortController();
    this.#stopWork = stop;
    if (!channel.hungUp) channel.gone.then(() => stop.abort());
    const result = await this.#services.outbound.send(
      effect,
      this.#admitted.org.settings.webhook_allow ?? [],
      stop.signal,
    );
    this.#stopWork = undefined;
    return result;
  }

  #measureTurn(turn: Turn, ms: number): void {
    this.#turn = { seq: turn.state['seq'], ms };
    this.#slowestTurnMs = Math.max(this.#slowestTurnMs ?? 0, ms);
    this.#services.metrics.turn(this.#identity.orgId, turn.step_type ?? 'none')(ms / 1000);
  }

  #keep(turn: Turn): void {
    for (const step of turn.finished)
      this.#steps.push({ step, turnMs: this.#turn?.seq === step.seq ? this.#turn.ms : undefined });
  }

  #record(end: CallEnd, channel: CallChannel): void {
    const { sink, metrics } = this.#services;
    const identity = this.#identity;
    const firstCommandMs = channel.firstCommandAt === undefined ? undefined : channel.firstCommandAt - this.acceptedAt;
    const times = {
      answeredAtMs: this.#answeredAtMs,
      durationMs: this.#atMs(),
      firstCommandMs,
      slowestTurnMs: this.#slowestTurnMs,
    };
    const events = this.#steps.map((step) => eventRecord(identity, step));
    sink.append(identity.orgId, [...events, callRecord(identity, end, times, events.length, this.#leadId())]);
    metrics.ended(identity.orgId, identity.campaignId, end.outcome);
  }

  #context(): CallContext {
    const { org, campaign, script } = this.#admitted;
    const call = this.#incoming;
    return {
      facts: {
        id: this.#identity.callId,
        org_id: org.orgId,
        campaign_id: campaign.campaign.id,
        script_id: script.id,
        version: script.version,
        node_id: this.#services.nodeId,
        channel: call.channel,
        unique_id: call.unique_id,
        caller: call.caller,
        dnid: call.dnid,
        context: call.context,
        extension: call.extension,
        language: call.language,
        args: call.args,
        started_at_ms: Math.round(this.#identity.startedAtMs),
      },
      lead: this.#lead,
      variables: campaign.campaign.variables as CallContext['variables'],
      secrets: new Map(),
      ...(org.settings.exec_allow && { exec_allow: org.settings.exec_allow }),
      ...(org.settings.timezone && { timezone: org.settings.timezone }),
    };
  }

  #leadId(): string | undefined {
    const { lead_id, id } = this.#lead;
    return id ?? lead_id;
  }

  #atMs(): number {
    return performance.now() - this.acceptedAt;
  }
}
