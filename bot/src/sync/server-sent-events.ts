/** One server-sent event. */
export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/** Longest event that is kept in memory: a whole bundle, with room to spare. */
const LONGEST_EVENT = 128 * 1024 * 1024;

/** Reads server-sent events from text that comes cut anywhere (WHATWG HTML, 9.2). Ids and comments are passed over. */
export class ServerSentEventReader {
  #line = '';
  #event = '';
  #data: string[] = [];
  #size = 0;
  #endedWithCr = false;

  /**
   * The events that this piece completes.
   * @throws RangeError for an event that does not end
   */
  *push(piece: string): Generator<ServerSentEvent> {
    // Nothing has come: a CR before it may still be half of a CRLF.
    if (piece === '') return;
    // CR, LF and CRLF end a line; a CRLF may be cut in two.
    const text = this.#endedWithCr && piece.startsWith('\n') ? piece.slice(1) : piece;
    this.#endedWithCr = piece.endsWith('\r');
    this.#size += text.length;
    if (this.#size > LONGEST_EVENT) throw new RangeError('an event without end');
    const lines = text.split(/\r\n|\r|\n/);
    const last = lines.pop() ?? '';
    for (const line of lines) {
      const whole = this.#line + line;
      this.#line = '';
      const event = this.#take(whole);
      if (event) yield event;
    }
    this.#line += last;
  }

  #take(line: string): ServerSentEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#event = value;
    if (name === 'data') this.#data.push(value);
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const found = { event: this.#event || 'message', data: this.#data.join('\n') };
    const hasData = this.#data.length > 0;
    this.#event = '';
    this.#data = [];
    this.#size = 0;
    return hasData ? found : undefined;
  }
}
