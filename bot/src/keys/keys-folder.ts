import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseOrgKey, type SettingsProblem, settingsProblem } from '@voiceoi/kernel';

/** What a file of a keys folder holds. */
export type KeyFile =
  | { readonly name: string; readonly keys: readonly string[] }
  /** It is there, and is no file of keys. */
  | { readonly name: string; readonly problem: string };

/**
 * The files in a `SYNC_SECRET_KEYS_DIR`: one for each organization, named as it, one key a line, the current one first. Names that begin with a dot
 * are passed over, and so are names that lead nowhere: a mounted Secret that changes has some for a moment.
 * @throws the error of the file system when the folder cannot be read
 */
export async function readKeyFiles(path: string): Promise<readonly KeyFile[]> {
  const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
  const files = await Promise.all(names.map((name) => readKeyFile(path, name)));
  return files.filter((file) => file !== undefined);
}

async function readKeyFile(folder: string, name: string): Promise<KeyFile | undefined> {
  try {
    const lines = (await readFile(join(folder, name), 'utf8')).split(/\r?\n/);
    const keys = lines.map((line) => line.trim()).filter((line) => line !== '');
    if (keys.length > 0 && keys.every((key) => parseOrgKey(key)?.orgId === name)) return { name, keys };
    return { name, problem: `holds ${name}, in which there is something else than keys of the organization ${name}` };
  } catch (error) {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return isGone ? undefined : { name, problem: `holds ${name}, which cannot be read` };
  }
}

/** All keys in the folder, and what is wrong with it, as settings are checked. The folder may be empty: keys that come later are taken up. */
export async function readKeysFolder(path: string | undefined): Promise<{
  readonly keys: readonly string[];
  readonly problems: readonly SettingsProblem[];
}> {
  if (path === undefined) return { keys: [], problems: [] };
  const asProblem = (message: string): SettingsProblem => settingsProblem('SYNC_SECRET_KEYS_DIR', message);
  try {
    const files = await readKeyFiles(path);
    return {
      keys: files.flatMap((file) => ('keys' in file ? file.keys : [])),
      problems: files.flatMap((file) => ('problem' in file ? [asProblem(file.problem)] : [])),
    };
  } catch {
    return { keys: [], problems: [asProblem(`is ${path}, which cannot be read`)] };
  }
}
