/** What can be found again in `OpenSessions`. */
interface Placed {
  /** Where it stands; kept by `OpenSessions`. */
  place: number;
}

/**
 * The sessions that are open. An array whose gaps are filled from its end, not a Set: with thousands of calls coming and going a Set is copied
 * again and again, and its old copies keep the calls of their time from being collected young, which cost a quarter of the processor.
 */
export class OpenSessions<T extends Placed> {
  readonly #sessions: T[] = [];

  get size(): number {
    return this.#sessions.length;
  }

  add(session: T): void {
    session.place = this.#sessions.push(session) - 1;
  }

  /** One that is not there is passed over. */
  remove(session: T): void {
    if (this.#sessions[session.place] !== session) return;
    const last = this.#sessions.pop();
    if (last === undefined || last === session) return;
    this.#sessions[session.place] = last;
    last.place = session.place;
  }

  /** Those that are open now, the newest first; they may go while it runs. */
  forEach(act: (session: T) => void): void {
    for (let place = this.#sessions.length - 1; place >= 0; place--) {
      const session = this.#sessions[place];
      if (session) act(session);
    }
  }
}
