import type { Socket } from 'node:net';
import type { Command } from './command.ts';
import { NO_REPLY, type Reply, ReplyReader } from './reply.ts';

/** How long a connection may stay open once both sides have nothing to say. */
const CLOSING_MS = 2000;
/** A command whose caller has left answers at once or not at all. */
const AFTER_HANGUP_MS = 5000;

/**
 * One AGI connection behind its environment: one command in flight, whatever Asterisk says in between. Time limits are a `deadline` that the
 * server's sweep looks at, since a timer for each of thousands of calls costs more than the calls. Nothing here throws or rejects.
 */
export class AgiConnection {
  readonly #socket: Socket;
  readonly #replies = new ReplyReader();
  #onGone: (() => void)[] | undefined;
  #waiting: ((reply: Reply) => void) | undefined;
  #isHungUp = false;
  #isClosed = false;
  #isEnding = false;
  /** `performance.now()` by which the connection is to be closed, once the call's time is over. */
  #closeBy = Number.POSITIVE_INFINITY;
  /** `performance.now()` after which the sweep calls `expire`; Infinity: nothing to wait for. */
  deadline = Number.POSITIVE_INFINITY;
  firstCommandAt: number | undefined;
  lastCommandAt = 0;
  lastReplyAt: number;

  constructor(socket: Socket, now: number) {
    this.#socket = socket;
    this.lastReplyAt = now;
  }

  /** The caller has left, or the connection is gone. */
  get isHungUp(): boolean {
    return this.#isHungUp;
  }

  /** The call's time is over: only its last words may still be sent. */
  get isOver(): boolean {
    return this.#closeBy !== Number.POSITIVE_INFINITY;
  }

  /** Calls back once the caller or the connection is gone; at once when that is so already. */
  onGone(listener: () => void): void {
    if (this.#isHungUp) listener();
    else this.#onGone = [...(this.#onGone ?? []), listener];
  }

  /** Sends one command and waits for its answer; `NO_REPLY` when none comes. The one before has to be answered. */
  send(command: Command): Promise<Reply> {
    if (this.#isClosed || this.#isEnding || this.#waiting) return Promise.resolve(NO_REPLY);
    const now = performance.now();
    if (this.firstCommandAt === undefined) {
      this.firstCommandAt = now;
      this.#replies.clear();
    }
    this.lastCommandAt = now;
    this.deadline = Math.min(now + command.timeoutMs, this.#closeBy);
    this.#replies.begin(command.expectsValue);
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#socket.write(`${command.line}\n`);
    });
  }

  /** Bytes from Asterisk. */
  receive(chunk: Buffer): void {
    if (this.#isEnding) return;
    for (const event of this.#replies.read(chunk)) {
      if (event.kind === 'reply') this.#settle(event.reply);
      else if (event.kind === 'hangup') this.#hangUp();
      else this.destroy();
    }
  }

  #settle(reply: Reply): void {
    const resolve = this.#waiting;
    // An answer that nobody waits for is one too many (an interrupted command's); the next command's is still to come.
    if (!resolve) return;
    this.#waiting = undefined;
    this.deadline = this.#closeBy;
    this.lastReplyAt = performance.now();
    if (reply.code === 511) this.#hangUp();
    resolve(reply);
  }

  #hangUp(): void {
    if (this.#isHungUp) return;
    this.#isHungUp = true;
    if (this.#waiting) this.deadline = Math.min(this.deadline, performance.now() + AFTER_HANGUP_MS);
    for (const listener of this.#onGone ?? []) listener();
    this.#onGone = undefined;
  }

  /** Something took longer than it may. */
  expire(): void {
    this.destroy();
  }

  /** The call's time is over: the running command may end, and the connection closes within this time. */
  limit(withinMs: number): void {
    this.#closeBy = Math.min(this.#closeBy, performance.now() + withinMs);
    this.deadline = Math.min(this.deadline, this.#closeBy);
  }

  /** Gives the call back: what was written is sent, then the connection closes. `lastWords` go before. */
  end(lastWords?: string): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    this.deadline = performance.now() + CLOSING_MS;
    // Whatever the other side still sends is read and dropped: unread bytes would turn the close into a reset, which can overtake the last words.
    if (lastWords === undefined) this.#socket.end();
    else this.#socket.end(lastWords);
    this.#abandon();
  }

  destroy(): void {
    this.#socket.destroy();
    this.closed();
  }

  /** The socket has closed. */
  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.deadline = Number.POSITIVE_INFINITY;
    this.#abandon();
    this.#hangUp();
  }

  #abandon(): void {
    const resolve = this.#waiting;
    this.#waiting = undefined;
    resolve?.(NO_REPLY);
  }
}
