/** Asterisk's answer to a command. */
export interface Reply {
  /** 200; 510 unknown command; 511 not on a dead channel; 520 wrong usage; 0: the connection is gone or the answer did not come. */
  readonly code: number;
  /** Text after `result=`: a number, keys, or nothing. Empty when the code is not 200. */
  readonly result: string;
  /** What stands in parentheses: a variable's value, `timeout`, `dtmf`, `hangup`. */
  readonly value?: string;
  /** Samples played or recorded, where Asterisk says so. */
  readonly endpos?: number;
}

/** The answer of a connection that gives none any more. */
export const NO_REPLY: Reply = { code: 0, result: '' };

/** What stood in the bytes. `overflow`: nobody who speaks AGI sends so much, nothing more is to be read. */
export type ReplyEvent =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'hangup' }
  | { readonly kind: 'overflow' };

const HANGUP: ReplyEvent = { kind: 'hangup' };
const OVERFLOW: ReplyEvent = { kind: 'overflow' };
/** Nearly every answer is one of these. */
const USUAL: ReadonlyMap<string, ReplyEvent> = new Map(
  ['0', '1', '-1'].map((result) => [`200 result=${result}`, { kind: 'reply', reply: { code: 200, result } }]),
);

/** Bytes that Asterisk may send for one command; a value has at most 4 kB, a usage text is shorter. */
const MOST_BYTES = 64 * 1024;

const LINE_FEED = 10;
const EMPTY = Buffer.alloc(0);
const RESULT = /^200 result=(\S*)(?: \((.*?)\)(?=$| endpos=))?(?: endpos=(-?\d+))?/;
const VALUE_START = '200 result=1 (';

/**
 * Reads answers from any cut of their bytes. `HANGUP` can stand anywhere between lines, also inside a usage text. A variable's value may hold
 * line breaks and even look like another answer: Asterisk writes such an answer at once and nothing behind it but `HANGUP`, so it ends where
 * the bytes end with a closing parenthesis and a line feed. Only the network cutting right behind such a pair inside a value can end it early.
 */
export class ReplyReader {
  #partial: Buffer = EMPTY;
  #bytes = 0;
  #expectsValue = false;
  /** Lines of a value that is not known to be complete. */
  #value: string[] | undefined;
  /** `520 ` while inside a usage text that such a line will end. */
  #blockEnd: string | undefined;

  /** A command goes out. `expectsValue`: it asks for a variable. What began before and has no end is not its answer. */
  begin(expectsValue: boolean): void {
    this.#expectsValue = expectsValue;
    this.#value = undefined;
    this.#blockEnd = undefined;
    this.#bytes = this.#partial.length;
  }

  /** Forgets half a line that came before the first command: the rest of an environment that ended early. */
  clear(): void {
    this.#partial = EMPTY;
  }

  read(chunk: Buffer): readonly ReplyEvent[] {
    const events: ReplyEvent[] = [];
    this.#bytes += chunk.length;
    const buffer = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    let start = 0;
    for (let end = buffer.indexOf(LINE_FEED); end >= 0; end = buffer.indexOf(LINE_FEED, start)) {
      this.#line(buffer.toString('utf8', start, end), events);
      start = end + 1;
    }
    this.#partial = start === buffer.length ? EMPTY : buffer.subarray(start);
    if (this.#value && this.#partial.length === 0) this.#endOfValue(this.#value, events);
    if (this.#bytes > MOST_BYTES) events.push(OVERFLOW);
    return events;
  }

  #line(line: string, events: ReplyEvent[]): void {
    if (this.#value) this.#value.push(line);
    else if (line === 'HANGUP') events.push(HANGUP);
    else if (this.#blockEnd !== undefined) this.#endOfBlock(line, this.#blockEnd, events);
    else if (this.#expectsValue && line.startsWith(VALUE_START)) this.#value = [line];
    else this.#begins(line, events);
  }

  #begins(line: string, events: ReplyEvent[]): void {
    const usual = USUAL.get(line);
    if (usual) return this.#answer(usual, events);
    const [, code = '', separator] = /^(\d{3})([ -])/.exec(line) ?? [];
    if (separator === '-') this.#blockEnd = `${code} `;
    else if (separator === ' ' && code !== '100')
      this.#answer({ kind: 'reply', reply: parseLine(line, Number(code)) }, events);
  }

  #endOfBlock(line: string, end: string, events: ReplyEvent[]): void {
    if (!line.startsWith(end)) return;
    this.#blockEnd = undefined;
    this.#answer({ kind: 'reply', reply: { code: Number(end), result: '' } }, events);
  }

  #endOfValue(lines: readonly string[], events: ReplyEvent[]): void {
    const last = lines.findLastIndex((line) => line !== 'HANGUP');
    if (!lines[last]?.endsWith(')')) return;
    this.#value = undefined;
    const value = lines
      .slice(0, last + 1)
      .join('\n')
      .slice(VALUE_START.length, -1);
    this.#answer({ kind: 'reply', reply: { code: 200, result: '1', value } }, events);
    for (let hangups = lines.length - last - 1; hangups > 0; hangups--) events.push(HANGUP);
  }

  /** A command has one value: what looks like another must not hide the HANGUP behind it. */
  #answer(event: ReplyEvent, events: ReplyEvent[]): void {
    this.#expectsValue = false;
    events.push(event);
  }
}

function parseLine(line: string, code: number): Reply {
  const [, result = '', value, endpos] = RESULT.exec(line) ?? [];
  return {
    code,
    result,
    ...(value !== undefined && { value }),
    ...(endpos !== undefined && { endpos: Number(endpos) }),
  };
}
