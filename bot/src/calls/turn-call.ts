import {
  advance,
  type CallContext,
  type CallEnd,
  type CallEvent,
  type Effect,
  start,
  type Turn,
} from '@voiceoi/script';
import type { PlayableOrg, PlayableScript } from '../sync/index.ts';
import type { CallServices } from './call.ts';
import { type CallIdentity, callRecord, eventRecord, startRecord } from './records.ts';
import { turnContext, turnIdentity } from './turn-context.ts';
import type { AwaitedInput, EffectBoard, SavedCall, TurnCall, TurnEvent, TurnOutcome } from './turn-ports.ts';
import { recordIdOf } from './uuid.ts';

/** What a call is played with on this node. */
export interface Playing {
  readonly org: PlayableOrg;
  /** Undefined where this node does not have the version that the call began with. */
  readonly script: PlayableScript | undefined;
  readonly variables: CallContext['variables'];
}

type HttpEffect = Extract<Effect, { kind: 'http' }>;

/**
 * One call that is played request by request: between two turns it is a `SavedCall`, which any node can go on with. Records have ids that follow
 * from the call and the step, so that a turn that two nodes have answered is stored once.
 */
export class NodeTurnCall implements TurnCall {
  readonly #playing: Playing;
  readonly #services: CallServices;
  readonly #identity: CallIdentity;
  readonly #context: CallContext;
  readonly #onEnd: (call: NodeTurnCall) => void;
  #saved: SavedCall;
  #end: CallEnd | undefined;
  #isBusy = false;
  #cutBecause: string | undefined;
  #stopWork: AbortController | undefined;
  #seenAt = performance.now();

  constructor(saved: SavedCall, playing: Playing, services: CallServices, onEnd: (call: NodeTurnCall) => void) {
    this.#saved = saved;
    this.#playing = playing;
    this.#services = services;
    this.#onEnd = onEnd;
    this.#identity = turnIdentity(saved, playing.org.orgId, services.nodeId);
    this.#context = turnContext(saved, playing, services.secretsOf(playing.org.orgId));
  }

  get id(): string {
    return this.#saved.id;
  }

  get orgId(): string {
    return this.#playing.org.orgId;
  }

  /** On the clock of `performance.now()`. */
  get acceptedAt(): number {
    return performance.now() - this.#atMs();
  }

  /** Milliseconds since the last request; 0 during one, and while a caller who was put through may be talking. */
  quietMs(now: number): number {
    return this.#isBusy || this.#saved.awaited.kind === 'dial' ? 0 : now - this.#seenAt;
  }

  /** The other side has gone on elsewhere, or is gone: only what the call's record needs is kept. */
  rest(): void {
    this.#saved = { ...this.#saved, state: {} };
  }

  /** Writes the record of a call that must be over by now, wherever it went on. Its steps are known to whoever played them. */
  expire(isQuiet: boolean): void {
    if (this.#isBusy || this.#atMs() < this.#limitMs + EXPIRY_GRACE_MS) return;
    const end: CallEnd = isQuiet
      ? { outcome: 'failed', reason: 'no further request came' }
      : { outcome: 'limit', reason: 'max_call_seconds is over' };
    void this.#finish(end, isQuiet ? this.#saved.issued_at - this.#saved.started_at : this.#atMs());
  }

  async play(event: TurnEvent, board: EffectBoard): Promise<TurnOutcome> {
    if (this.#end) return { end: this.#end };
    const startedAt = performance.now();
    this.#isBusy = true;
    this.#seenAt = startedAt;
    if (event.kind === 'start') this.#begun();
    const outcome = await this.#turn(event, board).catch((error: unknown): TurnOutcome => {
      this.#services.log.error({ err: error, call_id: this.id }, 'unexpected error in a call over webhooks: it ends');
      return { end: { outcome: 'failed', reason: 'unexpected error' } };
    });
    this.#isBusy = false;
    this.#seenAt = performance.now();
    this.#measure(this.#seenAt - startedAt);
    if ('end' in outcome) return { end: await this.#finish(outcome.end) };
    this.#saved = { ...outcome.saved, ...this.#times() };
    return { saved: this.#saved };
  }

  fail(reason: string): Promise<CallEnd> {
    return this.#finish({ outcome: 'failed', reason });
  }

  /** Ends the call as `failed`: the node ends. */
  cut(reason: string): void {
    this.#cutBecause ??= reason;
    this.#stopWork?.abort();
    if (!this.#isBusy) void this.fail(reason);
  }

  async #turn(event: TurnEvent, board: EffectBoard): Promise<TurnOutcome> {
    const { script } = this.#playing;
    if (!script) {
      const { script: id, version } = this.#saved;
      return {
        end: { outcome: 'failed', reason: `version ${version} of script "${id}" is not on this node any more` },
      };
    }
    let turn = this.#first(event, script);
    for (;;) {
      this.#keep(turn);
      if (turn.end || !turn.effect) return { end: turn.end ?? { outcome: 'failed', reason: 'nothing to do' } };
      const next = await this.#carryOut(turn, turn.effect, script, board);
      if (this.#cutBecause !== undefined) return { end: { outcome: 'failed', reason: this.#cutBecause } };
      if ('awaited' in next) return { saved: this.#next(turn, next.awaited) };
      turn = next;
    }
  }

  #first(event: TurnEvent, { script }: PlayableScript): Turn {
    if (event.kind === 'start') return start(script, this.#context, this.#atMs());
    return advance(script, this.#context, this.#saved.state, this.#timed(event));
  }

  #timed(event: Exclude<TurnEvent, { kind: 'start' }>): CallEvent {
    const at_ms = this.#atMs();
    return at_ms >= this.#limitMs ? { kind: 'limit', at_ms } : { ...event, at_ms };
  }

  async #carryOut(
    turn: Turn,
    effect: Effect,
    { script }: PlayableScript,
    board: EffectBoard,
  ): Promise<Turn | { readonly awaited: AwaitedInput }> {
    if (effect.kind === 'http') {
      const result = await this.#webhook(effect);
      return advance(script, this.#context, turn.state, this.#timed({ kind: 'result', result }));
    }
    const placed = board.place(effect);
    if ('awaited' in placed) return placed;
    const { result } = placed;
    if (effect.kind === 'answer') this.#answered();
    const known = result.kind === 'played' || result.kind === 'done' ? { kind: result.kind } : undefined;
    if (board.isFull && known) return { awaited: known };
    const next = advance(script, this.#context, turn.state, this.#timed({ kind: 'result', result }));
    // What is to be heard is heard first: the request of the script is made when the other side comes back, and the turn is played anew then.
    const isTooSoon = next.effect?.kind === 'http' && board.hasSound;
    return isTooSoon && known ? { awaited: known } : next;
  }

  async #webhook(effect: HttpEffect) {
    const stop = new AbortController();
    this.#stopWork = stop;
    if (this.#cutBecause !== undefined) stop.abort();
    const allow = this.#playing.org.settings.webhook_allow ?? [];
    const result = await this.#services.outbound.send(effect, allow, stop.signal);
    this.#stopWork = undefined;
    return result;
  }

  #begun(): void {
    this.#services.sink.append(this.orgId, [startRecord(this.#identity, this.#leadId())]);
  }

  #answered(): void {
    if (this.#saved.answered_at_ms === undefined) this.#saved = { ...this.#saved, answered_at_ms: this.#atMs() };
  }

  #keep(turn: Turn): void {
    if (turn.finished.length === 0) return;
    const events = turn.finished.map((step) =>
      eventRecord(this.#identity, { step, turnMs: undefined }, recordIdOf(this.id, 'call_event', step.seq)),
    );
    this.#saved = { ...this.#saved, steps: this.#saved.steps + events.length };
    this.#services.sink.append(this.orgId, events);
  }

  #next(turn: Turn, awaited: AwaitedInput): SavedCall {
    return { ...this.#saved, issued_at: Date.now(), turn: this.#saved.turn + 1, awaited, state: turn.state };
  }

  #measure(ms: number): void {
    const rounded = Math.round(ms * 1000) / 1000;
    const { first_ms = rounded, slowest_ms = 0 } = this.#saved;
    this.#saved = { ...this.#saved, first_ms, slowest_ms: Math.max(slowest_ms, rounded) };
  }

  #times(): Pick<SavedCall, 'first_ms' | 'slowest_ms'> {
    const { first_ms, slowest_ms } = this.#saved;
    return { ...(first_ms !== undefined && { first_ms }), ...(slowest_ms !== undefined && { slowest_ms }) };
  }

  /** Writes the call's one record. What is told twice ends as it did the first time. */
  async #finish(end: CallEnd, durationMs = this.#atMs()): Promise<CallEnd> {
    if (!this.#end) {
      this.#end = end;
      const { steps, answered_at_ms, first_ms, slowest_ms } = this.#saved;
      const times = {
        answeredAtMs: answered_at_ms,
        durationMs: Math.max(0, durationMs),
        firstCommandMs: first_ms,
        slowestTurnMs: slowest_ms,
      };
      const id = recordIdOf(this.id, 'call', 0);
      const record = callRecord(this.#identity, end, times, steps, this.#leadId(), id);
      this.#services.sink.append(this.orgId, [record]);
      this.#services.metrics.ended(this.orgId, this.#identity.campaignId, end.outcome);
      this.#onEnd(this);
    }
    await this.#services.sink.settled(this.orgId);
    return this.#end;
  }

  get #limitMs(): number {
    return this.#saved.until - this.#saved.started_at;
  }

  #leadId(): string | undefined {
    const { lead_id, id } = this.#saved.lead;
    return id ?? lead_id;
  }

  /** By the clock that nodes share: the call may have begun on another one. */
  #atMs(): number {
    return Math.max(0, Date.now() - this.#saved.started_at);
  }
}

/** Whoever plays the call ends it at its limit with the next request; a record for one that never comes waits this much longer. */
const EXPIRY_GRACE_MS = 60_000;
