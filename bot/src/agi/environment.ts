/** What Asterisk said of a call before the first command: the `agi_*` names that matter here, without their prefix, and the arguments in order. */
export interface AgiEnvironment {
  /** Undefined: not said. */
  readonly variables: Readonly<AgiVariables>;
  readonly arguments: readonly string[];
}

/** Fields instead of a map: one is made for every call. */
export interface AgiVariables {
  network: string | undefined;
  network_script: string | undefined;
  channel: string | undefined;
  language: string | undefined;
  uniqueid: string | undefined;
  callerid: string | undefined;
  calleridname: string | undefined;
  dnid: string | undefined;
  context: string | undefined;
  extension: string | undefined;
}

/** Where the reading of an environment is. */
export type EnvironmentProgress =
  | { readonly kind: 'more' }
  /** An empty line came, but not where Asterisk ends an environment: a caller's name may have brought it in. */
  | { readonly kind: 'perhaps'; readonly environment: AgiEnvironment }
  | { readonly kind: 'complete'; readonly environment: AgiEnvironment; readonly rest: Buffer }
  | { readonly kind: 'refused'; readonly reason: string };

/** Bounds of an environment; Asterisk cuts values near 4 kB and passes at most 128 arguments. */
const LONGEST = 64 * 1024;
const LONGEST_LINE = 8 * 1024;
const MOST_LINES = 400;

/**
 * The names that are kept, and which value of one counts when a line break in a caller's name or an argument has injected more: of what
 * Asterisk sends before anything that a caller can choose the first, of the others the last.
 */
const KNOWN: ReadonlyMap<string, readonly [keyof AgiVariables, 'first' | 'last']> = new Map([
  ['network', ['network', 'first']],
  ['network_script', ['network_script', 'first']],
  ['channel', ['channel', 'first']],
  ['language', ['language', 'first']],
  ['uniqueid', ['uniqueid', 'first']],
  ['callerid', ['callerid', 'first']],
  ['calleridname', ['calleridname', 'first']],
  ['dnid', ['dnid', 'last']],
  ['context', ['context', 'last']],
  ['extension', ['extension', 'last']],
]);

const LINE_FEED = 10;
const EMPTY = Buffer.alloc(0);
const MORE: EnvironmentProgress = { kind: 'more' };

/**
 * Reads an environment from any cut of its bytes. A line break in a caller's name injects lines, and an empty one ends the environment early,
 * so the end is the empty line after `agi_threadid`, which Asterisk always sends last before the arguments: only arguments behind the last
 * `agi_threadid` count, in their order. A client that sends none ends its environment by an empty line with nothing behind it. What this
 * cannot tell from a real environment is a name with `agi_threadid`, arguments and an empty line in it, cut off from the rest by the network.
 */
export class EnvironmentReader {
  #partial: Buffer = EMPTY;
  /** Bytes of whole lines, at least: those of short lines count as characters. */
  #bytes = 0;
  #lines = 0;
  #sawBlank = false;
  #sawThread = false;
  readonly #variables: AgiVariables = {
    network: undefined,
    network_script: undefined,
    channel: undefined,
    language: undefined,
    uniqueid: undefined,
    callerid: undefined,
    calleridname: undefined,
    dnid: undefined,
    context: undefined,
    extension: undefined,
  };
  readonly #arguments: string[] = [];

  push(chunk: Buffer): EnvironmentProgress {
    const buffer = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    const whole = buffer.lastIndexOf(LINE_FEED) + 1;
    // A line feed is never part of a longer character, so what ends with one can be decoded at once.
    const text = buffer.toString('utf8', 0, whole);
    this.#partial = buffer.subarray(whole);
    for (let start = 0; start < text.length; ) {
      const end = text.indexOf('\n', start);
      const bound = this.#takes(text, start, end);
      if (bound !== undefined) return tooLong(bound);
      const isBlank = end === start || (end === start + 1 && text[start] === '\r');
      if (!isBlank) this.#line(text, start, end);
      else if (this.#sawThread && !this.#goesOn(text, end + 1)) return this.#complete(text.slice(end + 1));
      else this.#sawBlank = true;
      start = end + 1;
    }
    const bound = this.#exceeds(this.#partial.length);
    if (bound !== undefined) return tooLong(bound);
    const isPerhaps = this.#sawBlank && this.#partial.length === 0;
    return isPerhaps ? { kind: 'perhaps', environment: this.#environment() } : MORE;
  }

  /** Counts a line, and says which bound it exceeds. */
  #takes(text: string, start: number, end: number): string | undefined {
    const units = end - start;
    // Most lines are so short that their bytes need no count.
    const bytes = units * 3 <= LONGEST_LINE ? units : Buffer.byteLength(text.slice(start, end));
    this.#lines++;
    const bound = this.#exceeds(bytes);
    this.#bytes += bytes + 1;
    return bound;
  }

  #exceeds(lineBytes: number): string | undefined {
    if (lineBytes > LONGEST_LINE) return `${LONGEST_LINE} bytes in a line`;
    if (this.#bytes + lineBytes > LONGEST) return `${LONGEST} bytes`;
    return this.#lines > MOST_LINES ? `${MOST_LINES} lines` : undefined;
  }

  /** An environment stands behind what looks like its end: somebody forged that. */
  #goesOn(text: string, at: number): boolean {
    return at < text.length ? text.startsWith('agi_', at) : this.#partial.toString('latin1', 0, 4) === 'agi_';
  }

  #complete(after: string): EnvironmentProgress {
    const rest = after === '' ? this.#partial : Buffer.concat([Buffer.from(after), this.#partial]);
    return { kind: 'complete', environment: this.#environment(), rest };
  }

  #environment(): AgiEnvironment {
    return { variables: this.#variables, arguments: this.#arguments };
  }

  #line(text: string, start: number, end: number): void {
    const colon = text.startsWith('agi_', start) ? text.indexOf(':', start) : -1;
    if (colon < 0 || colon > end) return;
    const name = text.slice(start + 4, colon);
    if (name === 'threadid') this.#thread();
    else if (name.startsWith('arg_')) this.#argument(name.slice(4), valueBetween(text, colon, end));
    else if (!this.#sawThread) this.#variable(name, text, colon, end);
  }

  /** Arguments that stood before it were injected. */
  #thread(): void {
    this.#sawThread = true;
    this.#arguments.length = 0;
  }

  #argument(number: string, value: string): void {
    if (number === String(this.#arguments.length + 1)) this.#arguments.push(value);
  }

  #variable(name: string, text: string, colon: number, end: number): void {
    const known = KNOWN.get(name);
    if (!known) return;
    const [field, counts] = known;
    if (counts === 'last' || this.#variables[field] === undefined)
      this.#variables[field] = valueBetween(text, colon, end);
  }
}

/** One space after the colon belongs to the protocol; the rest, and a carriage return, is trimmed. */
function valueBetween(text: string, colon: number, end: number): string {
  return text.slice(colon + 1, end).trim();
}

function tooLong(bound: string): EnvironmentProgress {
  return { kind: 'refused', reason: `an environment of more than ${bound}` };
}
