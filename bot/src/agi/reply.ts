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

/** What the bytes so far mean. */
export type ReplyProgress =
  | { readonly kind: 'more' }
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'hangup' }
  | { readonly kind: 'overflow' };

const MORE: ReplyProgress = { kind: 'more' };
const HANGUP: ReplyProgress = { kind: 'hangup' };

/** A longer answer, or more lines that mean nothing, is no Asterisk. */
const LONGEST = 256 * 1024;

const RESULT = /^200 result=(\S*)(?: \(([\s\S]*?)\))?(?: endpos=(\d+))?\s*$/;
const VALUE = /^200 result=1 \(([\s\S]*)\)$/;

/**
 * Reads answers from any cut of their bytes, one `next` for each. `HANGUP` can stand anywhere between lines. A variable's value may hold
 * line breaks and even look like another answer; it ends where the bytes end with a closing parenthesis and a line feed, since nothing
 * else is sent before the next command (but `HANGUP`).
 */
export class ReplyReader {
  #text = '';

  push(chunk: Buffer): boolean {
    this.#text += chunk.toString('latin1');
    return this.#text.length <= LONGEST;
  }

  /** Forgets what came before the first command: leftovers of an environment that ended early. */
  clear(): void {
    this.#text = '';
  }

  /** `expectsValue`: the command in flight asks for a variable. */
  next(expectsValue: boolean): ReplyProgress {
    for (;;) {
      if (expectsValue && this.#text.startsWith('200 result=1 (')) return this.#value();
      const end = this.#text.indexOf('\n');
      if (end < 0) return MORE;
      const line = this.#text.slice(0, end);
      if (line.startsWith('520-')) return this.#usage();
      this.#text = end + 1 === this.#text.length ? '' : this.#text.slice(end + 1);
      if (line === 'HANGUP' || line === 'HANGUP\r') return HANGUP;
      const reply = parseLine(line);
      if (reply) return { kind: 'reply', reply };
    }
  }

  #value(): ReplyProgress {
    const hungUp = this.#text.endsWith(')\nHANGUP\n');
    const end = hungUp ? this.#text.length - 'HANGUP\n'.length : this.#text.length;
    if (!this.#text.startsWith(')\n', end - 2)) return MORE;
    const value = VALUE.exec(this.#text.slice(0, end - 1))?.[1] ?? '';
    this.#text = hungUp ? 'HANGUP\n' : '';
    return { kind: 'reply', reply: { code: 200, result: '1', value: fromLatin1(value) } };
  }

  /** A usage block: lines of any text up to the one that begins with `520 `. */
  #usage(): ReplyProgress {
    const last = /\n520 [^\n]*\n/.exec(this.#text);
    if (!last) return MORE;
    this.#text = this.#text.slice(last.index + last[0].length);
    return { kind: 'reply', reply: { code: 520, result: '' } };
  }
}

/** One line as an answer; undefined for `100 Trying` and for anything that Asterisk does not say. */
function parseLine(line: string): Reply | undefined {
  const match = RESULT.exec(line);
  if (match) {
    const [, result = '', value, endpos] = match;
    return {
      code: 200,
      result,
      ...(value !== undefined && { value: fromLatin1(value) }),
      ...(endpos !== undefined && { endpos: Number(endpos) }),
    };
  }
  const code = /^(510|511|520)[ -]/.exec(line)?.[1];
  return code === undefined ? undefined : { code: Number(code), result: '' };
}

function fromLatin1(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}
