import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const toGzip = promisify(gzip);
const toBrotli = promisify(brotliCompress);
/** Quick enough to be made at each change; the highest would take seconds for a large organization. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };

export type Encoding = 'br' | 'gzip';

/** A text that many ask for; each encoding is made when it is first asked for. */
export interface EncodedText {
  readonly text: string;
  encoded(encoding: Encoding): Promise<Buffer>;
}

export function encodedText(text: string): EncodedText {
  const made = new Map<Encoding, Promise<Buffer>>();
  return {
    text,
    encoded: (encoding) => {
      const running = made.get(encoding) ?? (encoding === 'br' ? toBrotli(text, BROTLI) : toGzip(text));
      made.set(encoding, running);
      return running;
    },
  };
}

/** The best encoding of an `Accept-Encoding` header that we make; undefined: as it is. */
export function chooseEncoding(header: string | undefined): Encoding | undefined {
  const accepted = new Set(
    (header ?? '')
      .toLowerCase()
      .split(',')
      .map((entry) => entry.trim().split(/\s*;\s*/))
      .filter(([, quality]) => !/^q=0(\.0*)?$/.test(quality ?? ''))
      .map(([name]) => name),
  );
  return (['br', 'gzip'] as const).find((encoding) => accepted.has(encoding));
}
