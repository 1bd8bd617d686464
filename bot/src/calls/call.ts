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
import type { HttpEffect, Outbound } from '../outbound/index.ts';
import type { LogSink, QueuedRecord } from '../spool/index.ts';
import type { Admitted } from './admission.ts';
import type { CallMetrics } from './metrics.ts';
import type { CallChannel, IncomingCall } from './ports.ts';
import { type CallIdentity, callRecord, eventRecord, startRecord, type TimedStep } from './records.ts';

/** What every call of a node uses. */
export interface CallServices {
  readonly nodeId: string;
  readonly sink: LogSink;
  readonly outbound: Outbound;
  /** An organization's secrets by name. */
  readonly secretsOf: (orgId: string) => ReadonlyMap<string, string>;
  readonly metrics: CallMetrics;
  readonly log: Logger;
}

/** After its time is over, a running command has this long to end. */
const GRACE_MS = 5000;
/** Steps that are kept before they become records: a call may last a day. */
const MOST_STEPS = 200;

/** One call from its admission to its records. It keeps the script version it began with, whatever is published meanwhile. */
export class Call {
  readonly acceptedAt: number;
  readonly #admitted: Admitted;
  readonly #incoming: IncomingCall;
  readonly #services: CallServices;
  readonly #identity: CallIdentity;
  #steps: TimedStep[] = [];
  #stepCount = 0;
  #channel: CallChannel | undefined;
  #lead: { readonly [name: string]: string };
  #isAborted = false;
  /** Why the node ends the call, when it does. */
  #cutBecause: string | undefined;
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

  /** Ends what runs when the call has lasted longer than its script allows. `now` is `performance.now()`. */
  sweep(now: number): void {
    const overMs = now - this.acceptedAt - this.#limitMs;
    if (overMs >= 0) this.#abort(Math.max(0, GRACE_MS - overMs));
  }

  /** Gives the call back to the dialplan as `failed` within this time: the node ends. */
  cut(reason: string, withinMs: number): void {
    this.#cutBecause ??= reason;
    this.#abort(withinMs);
  }

  #abort(withinMs: number): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#stopWork?.abort();
    this.#channel?.abort(withinMs);
  }

  get #limitMs(): number {
    return this.#admitted.script.script.limits.max_call_seconds * 1000;
  }

  /** Plays the script over the channel and writes the records. Never rejects. */
  async run(channel: CallChannel): Promise<void> {
    this.#channel = channel;
    if (this.#isAborted) channel.abort(0);
    const end = await this.#play(channel).catch((error: unknown): CallEnd => {
      this.#services.log.error(
        { err: error, call_id: this.#identity.callId },
        'unexpected error in a call: it goes back to the dialplan',
      );
      return { outcome: 'failed', reason: 'unexpected error' };
    });
    this.#record(end, channel);
    // On its way to the disk while Asterisk answers. Whoever sees the connection closed can count on the record.
    const settled = this.#services.sink.settled(this.#identity.orgId);
    await channel.setVariables([
      { name: 'VOICEOI_OUTCOME', value: end.outcome },
      { name: 'VOICEOI_DISPOSITION', value: end.disposition ?? '' },
    ]);
    await settled;
    channel.close();
  }

  async #play(channel: CallChannel): Promise<CallEnd> {
    const { script } = this.#admitted.script;
    await this.#prepare(channel);
    const context = this.#context();
    let turn = start(script, context, this.#atMs());
    for (;;) {
      this.#keep(turn);
      if (turn.end || !turn.effect) return turn.end ?? { outcome: 'failed', reason: 'nothing to do' };
      const event = await this.#carryOut(turn, turn.effect, channel);
      if (this.#cutBecause !== undefined) return { outcome: 'failed', reason: this.#cutBecause };
      turn = advance(script, context, turn.state, event);
    }
  }

  /** Tells the channel who it is, and reads what the campaign wants to know of it. */
  async #prepare(channel: CallChannel): Promise<void> {
    const said = channel.setVariables([{ name: 'VOICEOI_CALL_ID', value: this.#identity.callId }]);
    const names = this.#admitted.campaign.campaign.lead_variables;
    // While Asterisk answers: what is written here keeps nobody waiting.
    this.#measureFirstCommand(channel);
    if (names.length === 0) this.#begun();
    await said;
    if (names.length === 0) return;
    this.#lead = { ...Object.fromEntries(await channel.readVariables(names)), ...this.#lead };
    this.#begun();
  }

  #begun(): void {
    this.#services.sink.append(this.#identity.orgId, [startRecord(this.#identity, this.#leadId())]);
  }

  #measureFirstCommand({ firstCommandAt }: CallChannel): void {
    if (firstCommandAt === undefined) return;
    const { orgId, campaignId } = this.#identity;
    this.#services.metrics.firstCommand(orgId, campaignId)((firstCommandAt - this.acceptedAt) / 1000);
  }

  async #carryOut(turn: Turn, effect: Effect, channel: CallChannel): Promise<CallEvent> {
    const repliedAt = channel.lastReplyAt;
    const commandedAt = channel.lastCommandAt;
    const pending = effect.kind === 'http' ? this.#webhook(effect, channel) : channel.perform(effect);
    if (channel.lastCommandAt > commandedAt) this.#measureTurn(turn, channel.lastCommandAt - repliedAt);
    const result = await pending;
    const at_ms = this.#atMs();
    if (effect.kind === 'answer' && result.kind === 'done') this.#answeredAtMs ??= at_ms;
    if (at_ms >= this.#limitMs) return { kind: 'limit', at_ms };
    if (channel.hungUp && !this.#sawHangup) {
      this.#sawHangup = true;
      return { kind: 'hangup', at_ms, result };
    }
    return { kind: 'result', at_ms, result };
  }

  /** Ends early with the caller, to whom its answer no longer matters; a request that `on_hangup` makes is carried through. */
  async #webhook(effect: HttpEffect, channel: CallChannel): Promise<EffectResult> {
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
    if (this.#steps.length >= MOST_STEPS) this.#services.sink.append(this.#identity.orgId, this.#takeEvents());
  }

  #takeEvents(): readonly QueuedRecord[] {
    const steps = this.#steps;
    this.#steps = [];
    this.#stepCount += steps.length;
    return steps.map((step) => eventRecord(this.#identity, step));
  }

  #record(end: CallEnd, { firstCommandAt }: CallChannel): void {
    const { sink, metrics } = this.#services;
    const { orgId, campaignId } = this.#identity;
    const times = {
      answeredAtMs: this.#answeredAtMs,
      durationMs: this.#atMs(),
      firstCommandMs: firstCommandAt === undefined ? undefined : firstCommandAt - this.acceptedAt,
      slowestTurnMs: this.#slowestTurnMs,
    };
    const events = this.#takeEvents();
    const call = callRecord(this.#identity, end, times, this.#stepCount, this.#leadId());
    sink.append(orgId, [...events, call]);
    metrics.ended(orgId, campaignId, end.outcome);
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
      secrets: this.#services.secretsOf(org.orgId),
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
