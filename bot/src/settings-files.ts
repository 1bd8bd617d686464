import { readFileSync } from 'node:fs';
import { type SettingsProblem, settingsProblem } from '@voiceoi/kernel';

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
