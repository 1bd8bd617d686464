/** Where the reading of a call's first bytes is. */
export type AgiProgress =
  | { readonly kind: 'more' }
  /** An empty line came, but not behind `agi_threadid`: it may be the end. */
  | { readonly kind: 'perhaps' }
  | { readonly kind: 'complete' }
  | { readonly kind: 'too_long' };

/** Bytes of an environment at most, as a node has it. */
const LONGEST = 64 * 1024;
/** Asterisk writes a line at a time, and a call has at most some 150. */
const MOST_CHUNKS = 1_000;
const BLANK = /\n\r?\n/;

/**
 * Reads from what Asterisk says first only whose call it is, and keeps all bytes for the node, which understands them anew and has the last
 * word. As in a node, the end is the empty line behind `agi_threadid` with no further line behind it, so that a line break in a caller's
 * name cannot name another organization: arguments count behind it alone, and of the request the first.
 */
export class AgiRequestReader {
  readonly #chunks: Buffer[] = [];
  #text = '';

  push(chunk: Buffer): AgiProgress {
    this.#chunks.push(chunk);
    this.#text += chunk.toString('latin1');
    if (this.#text.length > LONGEST || this.#chunks.length > MOST_CHUNKS) return { kind: 'too_long' };
    // Most chunks end no environment, and are not worth a look at the whole.
    if (!BLANK.test(this.#text.slice(-chunk.length - 3))) return { kind: 'more' };
    if (/\n\r?\n(?!agi_)/.test(behindThread(this.#text))) return { kind: 'complete' };
    return /\n\r?\n$/.test(this.#text.slice(-3)) ? { kind: 'perhaps' } : { kind: 'more' };
  }

  /** All that was read. */
  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Empty when the call names none. */
  orgId(): string {
    const behind = behindThread(this.#text);
    const before = behind === '' ? this.#text : this.#text.slice(0, -behind.length);
    const script = /^agi_network_script:(.*)$/m.exec(before) ?? /^agi_request:(.*)$/m.exec(before);
    const query = script?.[1]?.split('?').slice(1).join('?') ?? '';
    const words = [...(behind === '' ? before : behind).matchAll(/^agi_arg_\d+:(.*)$/gm)].map(([, word = '']) => word);
    return lastOrgId(words) ?? lastOrgId(query.split('&').map(percentDecoded)) ?? '';
  }
}

/** From the last line of the thread on; empty without one. */
function behindThread(text: string): string {
  const at = text.lastIndexOf('\nagi_threadid:');
  return at < 0 ? '' : text.slice(at + 1);
}

/** Of a name given twice the last counts. */
function lastOrgId(pairs: readonly string[]): string | undefined {
  return pairs.flatMap((pair) => /^\s*org_id\s*=(.*)$/.exec(pair)?.[1]?.trim() ?? []).at(-1);
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
