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
  readonly #onGone: (() => void)[] = [];
  #waiting: ((reply: Reply) => void) | undefined;
  #expectsValue = false;
  #isHungUp = false;
  #isClosed = false;
  #isEnding = false;
  /** `performance.now()` after which the sweep calls `expire`; Infinity: nothing to wait for. */
  deadline = Number.POSITIVE_INFINITY;
  firstCommandAt: number | undefined;
  lastCommandAt = 0;
  lastReplyAt: number;

  constructor(socket: Socket, now: number) {
    this.#socket = socket;
    this.lastReplyAt = now;
  }

  get isHungUp(): boolean {
    return this.#isHungUp;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Calls back once the caller or the connection is gone; at once when that is so already. */
  onGone(listener: () => void): void {
    if (this.#isHungUp) listener();
    else this.#onGone.push(listener);
  }

  /** Sends one command and waits for its answer; `NO_REPLY` when none comes. The one before has to be answered. */
  send(command: Command): Promise<Reply> {
    if (this.#isClosed || this.#isEnding || this.#waiting) return Promise.resolve(NO_REPLY);
    if (this.firstCommandAt === undefined) this.#replies.clear();
    const now = performance.now();
    this.firstCommandAt ??= now;
    this.lastCommandAt = now;
    this.deadline = now + command.timeoutMs;
    this.#expectsValue = command.expectsValue ?? false;
    this.#socket.write(`${command.line}\n`);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Bytes from Asterisk. */
  receive(chunk: Buffer): void {
    if (this.#isEnding) return;
    if (!this.#replies.push(chunk)) {
      this.destroy();
      return;
    }
    for (
      let progress = this.#replies.next(this.#expectsValue);
      progress.kind !== 'more';
      progress = this.#replies.next(this.#expectsValue)
    ) {
      if (progress.kind === 'hangup') this.#hangUp();
      else if (progress.kind === 'reply') this.#settle(progress.reply);
    }
  }

  #settle(reply: Reply): void {
    const resolve = this.#waiting;
    // An answer that nobody waits for is one too many (an interrupted command's); the next command's is still to come.
    if (!resolve) return;
    this.#waiting = undefined;
    this.#expectsValue = false;
    this.deadline = Number.POSITIVE_INFINITY;
    this.lastReplyAt = performance.now();
    if (reply.code === 511) this.#hangUp();
    resolve(reply);
  }

  #hangUp(): void {
    if (this.#isHungUp) return;
    this.#isHungUp = true;
    if (this.#waiting) this.deadline = Math.min(this.deadline, performance.now() + AFTER_HANGUP_MS);
    for (const listener of this.#onGone.splice(0)) listener();
  }

  /** Something took longer than it may. */
  expire(): void {
    this.destroy();
  }

  /** No more will come of the command in flight later than this. */
  limit(withinMs: number): void {
    this.deadline = Math.min(this.deadline, performance.now() + withinMs);
  }

  /** Gives the call back: what was written is sent, then the connection closes. `lastWords` go before. */
  end(lastWords?: string): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    this.deadline = performance.now() + CLOSING_MS;
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
