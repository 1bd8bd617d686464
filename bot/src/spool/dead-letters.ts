import { appendFile, mkdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { SpooledRecord } from './record.ts';

/** A record that the master does not take, and why. */
export interface DeadLetter {
  readonly record: SpooledRecord;
  readonly reason: unknown;
}

/** Two files of half of it each: the older one goes when the younger one is full. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Records that the master refused, for people to look at: one JSON object a line with `at`, `reason` and `record`. */
export class DeadLetters {
  readonly #path: string;
  readonly #mostBytes: number;
  #count = 0;

  constructor(path: string, mostBytes = MOST_BYTES) {
    this.#path = path;
    this.#mostBytes = mostBytes;
  }

  /** How many there are, those included that had to go since the start. */
  get count(): number {
    return this.#count;
  }

  async load(): Promise<void> {
    for (const path of [this.#path, this.#older]) {
      const bytes = await readFile(path).catch(() => Buffer.alloc(0));
      for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) this.#count++;
    }
  }

  /** @throws the error of the file system; they are counted all the same */
  async add(letters: readonly DeadLetter[]): Promise<void> {
    this.#count += letters.length;
    const at = new Date().toISOString();
    const lines = letters.map(
      ({ record, reason }) => `{"at":"${at}","reason":${JSON.stringify(reason)},"record":${record.bytes.toString()}}\n`,
    );
    const text = lines.join('');
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const size = await stat(this.#path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > 0 && size + Buffer.byteLength(text) > this.#mostBytes / 2) await rename(this.#path, this.#older);
    await appendFile(this.#path, text, { mode: 0o600 });
  }

  get #older(): string {
    return this.#path.replace(/\.ndjson$/, '.older.ndjson');
  }
}
