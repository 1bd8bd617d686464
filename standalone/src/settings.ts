import { BOT_VARIABLES, type BotSettings } from '@voiceoi/bot';
import {
  checkDataDir,
  checkPorts,
  port,
  type SettingsProblem,
  secret,
  settingsProblem,
  text,
  type Values,
} from '@voiceoi/kernel';
import { checkRedisSettings, DATABASE_VARIABLES, MASTER_VARIABLES, type ServiceSettings } from '@voiceoi/master';
import type { GeneratedSecrets } from './generated-secrets.ts';

const { SYNC_MASTER_URL: _url, SYNC_SECRET_KEY: _key, ...bot } = BOT_VARIABLES;

/** Everything that master and node take; what one of them needs, the other gives here. */
export const STANDALONE_VARIABLES = {
  ...bot,
  ...MASTER_VARIABLES,
  ...DATABASE_VARIABLES,
  DB_HOST: text().about('host of Postgres; without it an embedded one is kept in DATA_DIR'),
  JWT_SECRET: secret({ minLength: 32 }).about('signs access tokens; generated and kept in DATA_DIR without it'),
  SYNC_SECRET_SALT: secret({ minLength: 32 }).about(
    'organization keys are derived from it; generated and kept in DATA_DIR without it',
  ),
  DATA_DIR: text('./.voiceoi').about('folder for everything that is kept'),
  OPS_PORT: port(9464).about('/healthz, /readyz, /metrics, /state of both'),
  DRAIN_SECONDS: bot.DRAIN_SECONDS,
};

/** What a standalone was told. */
export type StandaloneSettings = Values<typeof STANDALONE_VARIABLES>;

/** What only trying shows: ports and the data folder. */
export async function checkStandalone(settings: Partial<StandaloneSettings>): Promise<readonly SettingsProblem[]> {
  const names = ['PORT', 'AGI_PORT', 'HTTP_PORT', 'OPS_PORT', 'GATEWAY_AGI_PORT'] as const;
  const ports = names.map((name) => ({ name, host: settings.HOST, port: settings[name] }));
  return [...checkRedisSettings(settings), ...(await checkPorts(ports)), ...(await checkDataDir(settings.DATA_DIR))];
}

/** The folder belongs to another process. */
export function inUse(folder: string): SettingsProblem {
  return settingsProblem('DATA_DIR', `is ${folder}, which another VoiceOI uses: stop it, or choose another folder`);
}

export function masterSettings(settings: StandaloneSettings, secrets: GeneratedSecrets): ServiceSettings {
  return {
    ...settings,
    JWT_SECRET: settings.JWT_SECRET ?? secrets.jwt_secret,
    SYNC_SECRET_SALT: settings.SYNC_SECRET_SALT ?? secrets.sync_secret_salt,
    DRAIN_SECONDS: 20,
  };
}

/** The node asks this process's own master, as any node asks any master; its keys are given to it in a ring. */
export function botSettings(settings: StandaloneSettings, masterPort: number): BotSettings {
  const host = settings.HOST === '0.0.0.0' || settings.HOST === '::' ? '127.0.0.1' : settings.HOST;
  return {
    ...settings,
    SYNC_MASTER_URL: `http://${host.includes(':') ? `[${host}]` : host}:${masterPort}`,
    SYNC_SECRET_KEY: [],
  };
}
