import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseOrgKey, type SettingsProblem, settingsProblem } from '@voiceoi/kernel';

/** What `BOOTSTRAP_FILE` holds, as JSON. */
export function readBootstrap(path: string | undefined): {
  readonly bundle?: unknown;
  readonly problems: readonly SettingsProblem[];
} {
  if (path === undefined) return { problems: [] };
  try {
    return { bundle: JSON.parse(readFileSync(path, 'utf8')), problems: [] };
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'which is no JSON' : 'which cannot be read';
    return { problems: [settingsProblem('BOOTSTRAP_FILE', `is ${path}, ${reason}`)] };
  }
}

/**
 * The keys in a `SYNC_SECRET_KEYS_DIR`: one file for each organization, named as it, one key a line, the current one first. Names that begin with a
 * dot are passed over. The folder may be empty; keys that come later are taken up by a restart.
 */
export function readKeysFolder(path: string | undefined): {
  readonly keys: readonly string[];
  readonly problems: readonly SettingsProblem[];
} {
  if (path === undefined) return { keys: [], problems: [] };
  try {
    const found = readdirSync(path)
      .filter((name) => !name.startsWith('.'))
      .sort()
      .map((name) => readKeyFile(path, name));
    return {
      keys: found.flatMap(({ key }) => (key === undefined ? [] : [key])),
      problems: found.flatMap(({ problem }) => (problem === undefined ? [] : [problem])),
    };
  } catch {
    return { keys: [], problems: [settingsProblem('SYNC_SECRET_KEYS_DIR', `is ${path}, which cannot be read`)] };
  }
}

function readKeyFile(folder: string, name: string): { readonly key?: string; readonly problem?: SettingsProblem } {
  const [key = ''] = readFileSync(join(folder, name), 'utf8').split(/\r?\n/);
  if (parseOrgKey(key)?.orgId === name) return { key };
  const message = `holds ${name}, whose first line is no key of the organization ${name}`;
  return { problem: settingsProblem('SYNC_SECRET_KEYS_DIR', message) };
}
