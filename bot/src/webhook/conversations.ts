import type { IncomingCall, SavedCall, TurnDesk } from '../calls/index.ts';
import type { NodeKey } from './authenticate.ts';
import { Conversation, type TurnReply } from './conversation.ts';
import type { Dialect, Told } from './dialects/index.ts';
import { refusal, refusedCall } from './problem.ts';
import { openCall, type SealScope, sealCall } from './seal.ts';

/** A request that has proven itself and was understood. */
export interface Request {
  readonly scope: SealScope;
  readonly told: Told;
  readonly dialect: Dialect;
  readonly args: { readonly [name: string]: string };
  /** `performance.now()` as it arrived. */
  readonly acceptedAt: number;
}

interface ConversationsOptions {
  readonly desk: TurnDesk;
  readonly keysOf: (orgId: string) => readonly NodeKey[];
}

const SWEEP_MS = 10_000;
/** A clock of another node may be ahead by so much. */
const SKEW_MS = 60_000;
const NOT_A_STATE = refusal(400, 'STATE_INVALID', 'this is no state of a call of this campaign');

/** Finds the call that a request is about: in memory, by the other side’s name of it, or in the state that came along. */
export class Conversations {
  readonly #options: ConversationsOptions;
  readonly #byId = new Map<string, Conversation>();
  /** By organization, campaign, dialect and the other side’s name. */
  readonly #bySid = new Map<string, Conversation>();
  readonly #sweep: NodeJS.Timeout;

  constructor(options: ConversationsOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.sweep(performance.now()), SWEEP_MS);
    this.#sweep.unref();
  }

  /** Answers a request; undefined when it asks for nothing that this node knows of. */
  async answer(request: Request): Promise<TurnReply | undefined> {
    const { told, scope } = request;
    if (told.isNews) return undefined;
    if (told.state !== undefined) return this.#goOn(request, told.state);
    const known = told.callId === undefined ? this.#ofSid(request) : this.#ofScope(told.callId, scope);
    const turn = told.heard.event === 'start' ? 0 : undefined;
    if (known) return known.hear(told.heard, turn, request.dialect);
    if (told.heard.event === 'hangup' && told.callId === undefined) return undefined;
    if (told.heard.event === 'start') return this.#begin(request);
    return { refusal: refusal(404, 'CALL_UNKNOWN', 'this node does not know the call, and no state came along') };
  }

  /** Forgets what is long over. `now` is `performance.now()`. */
  sweep(now: number): void {
    for (const map of [this.#byId, this.#bySid])
      for (const [key, conversation] of map) if (conversation.isForgotten(now)) map.delete(key);
  }

  close(): void {
    clearInterval(this.#sweep);
  }

  async #begin(request: Request): Promise<TurnReply> {
    const { told, scope, dialect, args, acceptedAt } = request;
    const incoming: IncomingCall = {
      org_id: scope.orgId,
      campaign_id: scope.campaignId,
      args,
      lead: told.lead,
      caller: told.caller,
      channel: `webhook/${dialect.name}`,
      unique_id: told.sid,
      dnid: told.dnid,
      context: '',
      extension: '',
      language: '',
      accepted_at: acceptedAt,
    };
    const admission = this.#options.desk.begin(incoming);
    if (admission.kind === 'refused') {
      await admission.settled;
      return { refusal: refusedCall(admission.reason, admission.detail) };
    }
    const begun = { turn: 0, awaited: { kind: 'done' }, until: 0 } as const;
    const begins = new Conversation(scope, admission.call, begun, this.#sealFor(scope));
    return this.#remember(begins, request).hear(told.heard, 0, dialect);
  }

  async #goOn(request: Request, state: string): Promise<TurnReply> {
    const { told, scope, dialect } = request;
    const saved = openCall(
      this.#options.keysOf(scope.orgId).map(({ key }) => key),
      scope,
      state,
    );
    if (!saved || !isOf(saved, told)) return { refusal: NOT_A_STATE };
    const known = this.#ofScope(saved.id, scope);
    if (known && (known.isOver || known.isBusy || known.turn >= saved.turn))
      return known.hear(told.heard, saved.turn, dialect);
    if (Date.now() > saved.until + SKEW_MS) return { refusal: refusal(400, 'STATE_EXPIRED', 'the call must be over') };
    const admission = this.#options.desk.resume(scope.orgId, saved);
    if (admission.kind === 'refused') return { refusal: refusedCall(admission.reason, admission.detail) };
    const taken = new Conversation(scope, admission.call, saved, this.#sealFor(scope));
    return this.#remember(taken, request).hear(told.heard, saved.turn, dialect);
  }

  #remember(conversation: Conversation, request: Request): Conversation {
    this.#byId.set(conversation.id, conversation);
    if (request.told.sid !== '') this.#bySid.set(sidKey(request), conversation);
    return conversation;
  }

  #sealFor(scope: SealScope): (saved: SavedCall) => string {
    return (saved) => {
      const [newest] = this.#options.keysOf(scope.orgId);
      // A node that has lost its key serves nobody: what it hands out need not open.
      return newest ? sealCall(newest.key, scope, saved) : '';
    };
  }

  #ofScope(callId: string, { orgId, campaignId }: SealScope): Conversation | undefined {
    const known = remembered(this.#byId.get(callId));
    return known?.scope.orgId === orgId && known.scope.campaignId === campaignId ? known : undefined;
  }

  #ofSid(request: Request): Conversation | undefined {
    return request.told.sid === '' ? undefined : remembered(this.#bySid.get(sidKey(request)));
  }
}

/** Between two sweeps there may be one that the node has let go of already. */
function remembered(conversation: Conversation | undefined): Conversation | undefined {
  return conversation?.isForgotten(performance.now()) ? undefined : conversation;
}

/** A state is good for its own call alone. */
function isOf(saved: SavedCall, { callId, sid }: Told): boolean {
  return (callId === undefined || callId === saved.id) && saved.sid === sid;
}

function sidKey({ scope: { orgId, campaignId }, dialect, told }: Request): string {
  return `${orgId}/${campaignId}/${dialect.name}/${told.sid}`;
}
