import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, pause } from '@voiceoi/kernel';
import { type KeyFile, readKeyFiles } from './keys-folder.ts';

interface WatchOptions {
  readonly path: string;
  /** The keys that the folder holds now; told at the first look and at each change. */
  readonly onKeys: (keys: readonly string[]) => void;
  readonly log: Logger;
  /** How often the folder is looked at; 1,000 by default. */
  readonly everyMs?: number;
}

/** An organization is gone when its file was missing this often in a row: while a mounted Secret changes, it may be missing once. */
const MISSES = 2;

/**
 * Looks at a folder of keys again and again: a mounted Secret is a set of links that are swapped, of which nobody is told who waits for events of
 * files. A file that is damaged, or a folder that cannot be read, takes no key away. Returns what ends the watching.
 */
export function watchKeysFolder(options: WatchOptions): () => void {
  const ending = new AbortController();
  void watch(new FolderOfKeys(options), options.everyMs ?? 1000, ending.signal);
  return () => ending.abort();
}

async function watch(folder: FolderOfKeys, everyMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await folder.look(signal);
    await pause(everyMs, signal);
  }
}

/** A folder of keys, as it was at the looks so far. */
export class FolderOfKeys {
  readonly #options: WatchOptions;
  readonly #known = new Map<string, { keys: readonly string[]; misses: number }>();
  #seen: string | undefined;
  #told: string | undefined;
  #problem: string | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async look(signal: AbortSignal): Promise<void> {
    const { path, onKeys } = this.#options;
    try {
      const seen = await mountedVersion(path);
      const isSettled = [...this.#known.values()].every(({ misses }) => misses === 0);
      if (seen !== undefined && seen === this.#seen && isSettled && this.#problem === undefined) return;
      this.#take(await readKeyFiles(path));
      this.#seen = seen;
    } catch {
      return signal.aborted ? undefined : this.#note('cannot be read');
    }
    const keys = [...this.#known.values()].flatMap((one) => one.keys);
    const text = keys.join();
    if (text === this.#told || signal.aborted) return;
    this.#told = text;
    onKeys(keys);
  }

  #take(files: readonly KeyFile[]): void {
    const there = new Set(files.map(({ name }) => name));
    for (const file of files) if ('keys' in file) this.#known.set(file.name, { keys: file.keys, misses: 0 });
    for (const [name, one] of this.#known) {
      one.misses = there.has(name) ? 0 : one.misses + 1;
      if (one.misses >= MISSES) this.#known.delete(name);
    }
    this.#note(files.flatMap((file) => ('problem' in file ? [file.problem] : []))[0]);
  }

  #note(problem: string | undefined): void {
    const { log, path } = this.#options;
    if (problem !== undefined && problem !== this.#problem)
      log.warn({ folder: path }, `the folder of keys ${problem}: going on with those before`);
    this.#problem = problem;
  }
}

/** What a mounted Secret is at: the folder that its links lead to, and their names. While it is the same, no file has to be read. Undefined for any other folder. */
async function mountedVersion(path: string): Promise<string | undefined> {
  const link = await readlink(join(path, '..data')).catch(() => undefined);
  return link === undefined ? undefined : [link, ...(await readdir(path))].join('/');
}
