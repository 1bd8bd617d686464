import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SettingsError, settingsProblem, writeFileAtomic } from '@voiceoi/kernel';
import Type, { type Static } from 'typebox';
import { Check } from 'typebox/value';

const Secrets = Type.Object({
  jwt_secret: Type.String({ minLength: 32 }),
  sync_secret_salt: Type.String({ minLength: 32 }),
});

/** What signs the dashboard's tokens, and what organization keys are derived from. */
export type GeneratedSecrets = Static<typeof Secrets>;

/**
 * The secrets of this installation: made on first start, kept in `secrets.json` of the data folder (mode 0600). Losing the file
 * signs everybody out and changes every organization's key.
 * @throws SettingsError when the file is there and cannot be understood: it is never replaced silently
 */
export async function keepSecrets(dataDir: string): Promise<GeneratedSecrets> {
  const path = join(dataDir, 'secrets.json');
  const text = await readIfThere(path);
  if (text !== undefined) return parseSecrets(text, path);
  const made = {
    jwt_secret: randomBytes(48).toString('base64url'),
    sync_secret_salt: randomBytes(48).toString('base64url'),
  };
  await writeFileAtomic(path, `${JSON.stringify(made, null, 2)}\n`);
  return made;
}

function parseSecrets(text: string, path: string): GeneratedSecrets {
  const value = parseJson(text);
  if (Check(Secrets, value)) return value;
  const message = `holds ${path}, which is damaged: restore it, or set JWT_SECRET and SYNC_SECRET_SALT yourself`;
  throw new SettingsError([settingsProblem('DATA_DIR', message)]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
