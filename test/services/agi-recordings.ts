import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One read or write of a recorded session. */
export interface RecordedEvent {
  readonly from: 'asterisk' | 'server';
  readonly bytes: Buffer;
}

/** A session of a real Asterisk, as `test/cases/agi/README.md` explains it. */
export interface Recording {
  /** For example `22/dtmf`. */
  readonly name: string;
  /** Reads of the environment, cut as they came, with its empty line. */
  readonly environment: readonly Buffer[];
  /** What was said afterwards. */
  readonly dialogue: readonly RecordedEvent[];
}

const FOLDER = join(import.meta.dirname, '../cases/agi');

/** All recorded sessions. */
export function readRecordings(): readonly Recording[] {
  return ['16', '22'].flatMap((version) =>
    readdirSync(join(FOLDER, version))
      .filter((file) => file.endsWith('.json'))
      .sort()
      .map((file) => readRecording(`${version}/${file.slice(0, -'.json'.length)}`)),
  );
}

export function readRecording(name: string): Recording {
  const file: { readonly events: readonly { readonly from: string; readonly bytes_base64: string | null }[] } =
    JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8'));
  const environment: Buffer[] = [];
  const dialogue: RecordedEvent[] = [];
  let isGreeting = true;
  for (const { from, bytes_base64 } of file.events) {
    if (bytes_base64 === null || (from !== 'asterisk' && from !== 'server')) continue;
    const bytes = Buffer.from(bytes_base64, 'base64');
    if (!isGreeting) {
      dialogue.push({ from, bytes });
      continue;
    }
    environment.push(bytes);
    isGreeting = !Buffer.concat(environment).includes('\n\n');
  }
  return { name, environment, dialogue };
}

/** A session in which each command was answered before the next was sent, as a node speaks. */
export interface OrderlyTurn {
  readonly command: string;
  /** What Asterisk sent from this command to the next, cut as it came. */
  readonly answer: readonly Buffer[];
}

/** Sessions in which the server broke the rules (pipelining, interrupting, half lines) or the recorder took HANGUP for an answer. */
const DISORDERLY =
  /\/(pipeline|split|interrupt|interrupt_bare|nonl|hangup|transfer|close_mid|rst_mid|failure\w*|empty)$/;

/** The dialogue as turns; undefined for a session that a node would never have. */
export function orderlyTurns({ name, dialogue }: Recording): readonly OrderlyTurn[] | undefined {
  if (DISORDERLY.test(name)) return undefined;
  const turns: { command: string; answer: Buffer[] }[] = [];
  for (const { from, bytes } of dialogue) {
    if (from === 'server') turns.push({ command: bytes.toString('utf8').replace(/\n$/, ''), answer: [] });
    else turns.at(-1)?.answer.push(bytes);
  }
  return turns;
}
