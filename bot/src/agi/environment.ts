/** What Asterisk said of a call before the first command: `agi_*` names without their prefix, and the arguments in order. */
export interface AgiEnvironment {
  readonly variables: ReadonlyMap<string, string>;
  readonly arguments: readonly string[];
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
const MOST_LINES = 400;

/** Names that Asterisk sends before anything that a caller can choose: of these the first value counts, of others the last. */
const BEFORE_CALLER = new Set([
  'network',
  'network_script',
  'request',
  'channel',
  'language',
  'type',
  'uniqueid',
  'version',
  'callerid',
]);

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const EMPTY = Buffer.alloc(0);
const MORE: EnvironmentProgress = { kind: 'more' };

/**
 * Reads an environment from any cut of its bytes. A line break in a caller's name injects lines, so the end is the empty line after
 * `agi_threadid`, which Asterisk always sends last before the arguments; arguments count only behind it and in their order. A client that
 * sends no `agi_threadid` ends its environment by an empty line with nothing behind it.
 */
export class EnvironmentReader {
  #buffer: Buffer = EMPTY;
  #bytes = 0;
  #lines = 0;
  #sawBlank = false;
  #sawThread = false;
  readonly #variables = new Map<string, string>();
  readonly #arguments: string[] = [];
  readonly #early: string[] = [];

  push(chunk: Buffer): EnvironmentProgress {
    this.#bytes += chunk.length;
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    let start = 0;
    for (let end = this.#buffer.indexOf(LINE_FEED); end >= 0; end = this.#buffer.indexOf(LINE_FEED, start)) {
      const isBlank = end === start || (end === start + 1 && this.#buffer[start] === CARRIAGE_RETURN);
      if (isBlank && this.#sawThread) return this.#complete(end + 1);
      if (isBlank) this.#sawBlank = true;
      else this.#line(this.#buffer.toString('utf8', start, end));
      start = end + 1;
      if (++this.#lines > MOST_LINES)
        return { kind: 'refused', reason: `an environment of more than ${MOST_LINES} lines` };
    }
    this.#buffer = this.#buffer.subarray(start);
    if (this.#bytes > LONGEST) return { kind: 'refused', reason: `an environment of more than ${LONGEST} bytes` };
    const isPerhaps = this.#sawBlank && this.#buffer.length === 0;
    return isPerhaps ? { kind: 'perhaps', environment: this.#environment() } : MORE;
  }

  #complete(restFrom: number): EnvironmentProgress {
    return { kind: 'complete', environment: this.#environment(), rest: this.#buffer.subarray(restFrom) };
  }

  #environment(): AgiEnvironment {
    return { variables: this.#variables, arguments: this.#sawThread ? this.#arguments : this.#early };
  }

  #line(line: string): void {
    const colon = line.indexOf(':');
    if (colon < 0 || !line.startsWith('agi_')) return;
    const name = line.slice(4, colon);
    // One space after the colon belongs to the protocol; the rest, and a carriage return, is trimmed.
    const value = line.slice(colon + 1).trim();
    if (name.startsWith('arg_')) this.#argument(name.slice(4), value);
    else this.#variable(name, value);
  }

  #argument(number: string, value: string): void {
    const list = this.#sawThread ? this.#arguments : this.#early;
    if (number === String(list.length + 1)) list.push(value);
  }

  #variable(name: string, value: string): void {
    if (this.#sawThread) return;
    if (name === 'threadid') this.#sawThread = true;
    if (!BEFORE_CALLER.has(name) || !this.#variables.has(name)) this.#variables.set(name, value);
  }
}
