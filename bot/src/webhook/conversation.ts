import { createHash } from 'node:crypto';
import type { AwaitedInput, SavedCall, TurnCall, TurnEvent } from '../calls/index.ts';
import { ActionBoard } from './board.ts';
import type { Answer, Dialect } from './dialects/index.ts';
import { eventOf, type Heard } from './heard.ts';
import { type Refusal, refusal } from './problem.ts';
import { MOST_STATE, type SealScope } from './seal.ts';

/** Less than what the node keeps a call for, so that what is remembered here can still be played. */
const LIVE_MS = 540_000;
/** How long an answer that ended a call can be asked for again. */
const OVER_MS = 120_000;

/** Answers, or says why there is none. */
export type TurnReply = { readonly answer: Answer } | { readonly refusal: Refusal };

interface Last {
  readonly print: string;
  readonly turn: number;
  readonly answer: Promise<Answer>;
}

/**
 * A call as this node remembers it between requests. One request is answered at a time; one that is sent again is answered again with the same, and
 * none goes on from where the call was before.
 */
export class Conversation {
  readonly id: string;
  readonly scope: SealScope;
  readonly #call: TurnCall;
  readonly #seal: (saved: SavedCall) => string;
  #turn: number;
  #awaited: AwaitedInput;
  #until: number;
  #last: Last | undefined;
  #isBusy = false;
  #isOver = false;
  #usedAt = performance.now();

  constructor(
    scope: SealScope,
    call: TurnCall,
    saved: Pick<SavedCall, 'turn' | 'awaited' | 'until'>,
    seal: (saved: SavedCall) => string,
  ) {
    this.id = call.id;
    this.scope = scope;
    this.#call = call;
    this.#turn = saved.turn;
    this.#awaited = saved.awaited;
    this.#until = saved.until;
    this.#seal = seal;
  }

  /** How many requests were answered. */
  get turn(): number {
    return this.#turn;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Nobody is expected to ask for it again. A caller who was put through may talk until the call's limit. */
  isForgotten(now: number): boolean {
    if (this.#isBusy) return false;
    const idleMs = now - this.#usedAt;
    if (this.#isOver) return idleMs > OVER_MS;
    const mayTalk = this.#awaited.kind === 'dial' && Date.now() < this.#until;
    return !mayTalk && idleMs > LIVE_MS;
  }

  /** Answers a request that follows the answer number `turn`; undefined: whichever was last. */
  async hear(heard: Heard, turn: number | undefined, dialect: Dialect): Promise<TurnReply> {
    this.#usedAt = performance.now();
    const print = printOf(heard);
    const last = this.#last;
    if (last && last.print === print && this.#isAgain(heard, turn, last)) return { answer: await last.answer };
    if (heard.event === 'hangup') return this.#hangUp(heard, print, dialect);
    if (this.#isOver) return { refusal: refusal(409, 'CALL_OVER', 'the call is over') };
    if (this.#isBusy) return { refusal: refusal(409, 'CALL_BUSY', 'another request of this call is being answered') };
    if ((turn ?? this.#turn) !== this.#turn)
      return { refusal: refusal(409, 'STATE_STALE', 'the call has gone on since this state') };
    return { answer: await this.#play(heard, print, dialect) };
  }

  /** The same input without a state may be said anew: only while it is being answered it is certainly the same. */
  #isAgain(heard: Heard, turn: number | undefined, last: Last): boolean {
    if (turn !== undefined) return turn === last.turn;
    return heard.event === 'hangup' || this.#isBusy || this.#isOver;
  }

  /** A caller who is gone is gone, whatever the request knew; what is under way is ended first. */
  async #hangUp(heard: Heard, print: string, dialect: Dialect): Promise<TurnReply> {
    while (this.#isBusy && this.#last) await this.#last.answer.catch(() => undefined);
    if (this.#isOver && this.#last) return { answer: await this.#last.answer };
    return { answer: await this.#play(heard, print, dialect) };
  }

  #play(heard: Heard, print: string, dialect: Dialect): Promise<Answer> {
    this.#isBusy = true;
    const event: TurnEvent = heard.event === 'start' ? { kind: 'start' } : eventOf(this.#awaited, heard);
    const answer = this.#answer(event, dialect).finally(() => {
      this.#isBusy = false;
      this.#usedAt = performance.now();
    });
    this.#last = { print, turn: this.#turn, answer };
    return answer;
  }

  async #answer(event: TurnEvent, dialect: Dialect): Promise<Answer> {
    const board = new ActionBoard((action) => dialect.misfit(action));
    const outcome = await this.#call.play(event, board);
    const { actions } = board;
    if ('end' in outcome) return this.#ended(actions, outcome.end);
    const state = this.#seal(outcome.saved);
    if (state.length > MOST_STATE) {
      const reason = `the call’s state has ${state.length} characters, and ${MOST_STATE} can be carried`;
      return this.#ended([], await this.#call.fail(reason));
    }
    this.#turn = outcome.saved.turn;
    this.#awaited = outcome.saved.awaited;
    this.#until = outcome.saved.until;
    return { callId: this.id, state, actions };
  }

  #ended(actions: Answer['actions'], end: NonNullable<Answer['end']>): Answer {
    this.#isOver = true;
    return { callId: this.id, state: '', actions, end };
  }
}

/** Tells requests apart without keeping what they brought. */
function printOf(heard: Heard): string {
  return createHash('sha256').update(JSON.stringify(heard)).digest('base64');
}
