import { hostname, networkInterfaces } from 'node:os';
import {
  cidrs,
  hostPort,
  integer,
  oneOf,
  parseOrgKey,
  port,
  type SettingsProblem,
  secrets,
  settingsProblem,
  text,
  url,
  type Values,
} from '@voiceoi/kernel';

const NODE_ID = /^[a-z0-9][a-z0-9.-]{0,62}$/;

/** The host name as a node id. */
function defaultNodeId(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 63);
  return NODE_ID.test(name) ? name : 'node';
}

/** The first address of this machine that others can reach. */
function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

/** Settings of a bot node (contract.md, Configuration). */
export const BOT_VARIABLES = {
  SYNC_MASTER_URL: url().required().about('address of the master, http://master.example:4000'),
  SYNC_SECRET_KEY: secrets(orgKey).about('keys of the organizations that this node serves, separated by commas'),
  DATA_DIR: text('./.voiceoi').about('folder for the last known configuration and for call records that wait'),
  NODE_ID: text(defaultNodeId()).about('name of this node'),
  POOL: text('default').about('pool that this node belongs to'),
  HOST: text('0.0.0.0').about('address to listen on'),
  AGI_PORT: port(4573).about('FastAGI'),
  HTTP_PORT: port(4580).about('webhook calls'),
  OPS_PORT: port(9465).about('/healthz, /readyz, /metrics, /state'),
  ADVERTISE_URL: url().about(
    'how the gateway reaches this node over HTTP; without it, the first address of this machine with HTTP_PORT',
  ),
  ADVERTISE_AGI: hostPort().about('the same over AGI, with AGI_PORT'),
  BOOTSTRAP_FILE: text().about('a bundle (JSON) to begin with when nothing else is there'),
  MAX_CALLS: integer({ min: 1, max: 100_000, default: 1000 }).about(
    'calls at once before this node says that it is full',
  ),
  AGI_ALLOWED_CIDRS: cidrs().about('who may connect to AGI_PORT; everyone without it'),
  DRAIN_SECONDS: integer({ min: 0, max: 86_400, default: 3600 }).about(
    'how long calls in flight may go on as the process ends',
  ),
  ANNOUNCE_SECONDS: integer({ min: 0, max: 600, default: 0 }).about(
    'how long new calls are still taken as the process ends',
  ),
  FLUSH_SECONDS: integer({ min: 0, max: 3600, default: 20 }).about('how long the end waits for records to be sent'),
  LOG_FLUSH_SECONDS: integer({ min: 0, max: 60, default: 1 }).about('how soon records are sent'),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info').about('what is logged'),
};

/** What a bot node was told. */
export type BotSettings = Values<typeof BOT_VARIABLES>;

/** What a bot that is a process of its own can be told beside. */
export const BOT_PROCESS_VARIABLES = {
  ...BOT_VARIABLES,
  SYNC_SECRET_KEYS_DIR: text().about(
    'folder with a file of keys for each organization, instead of SYNC_SECRET_KEY; re-read when it changes',
  ),
  DRAIN_FILE: text().about('comes with the operator'),
  ON_DEADLINE: oneOf(['', 'ReturnToDialplan', 'Hangup'], '').about('comes with the operator'),
};

export type BotProcessSettings = Values<typeof BOT_PROCESS_VARIABLES>;

function orgKey(textOfKey: string): string {
  if (!parseOrgKey(textOfKey))
    throw new Error('keys of the form voi_<org_id>_<generation>_<64 hex>, separated by commas');
  return textOfKey;
}

/** The keys that were set, those of one organization behind each other; of these the last one is the first to be used. */
export function keysOf({ SYNC_SECRET_KEY: keys }: Pick<BotSettings, 'SYNC_SECRET_KEY'>): readonly string[] {
  const organizations = Map.groupBy(keys, (key) => parseOrgKey(key)?.orgId);
  return [...organizations.values()].flatMap((ofOne) => ofOne.toReversed());
}

/** How others reach this node. An address that it listens on alone is the one to be told. */
export function advertised(
  settings: Pick<BotSettings, 'HOST' | 'ADVERTISE_URL' | 'ADVERTISE_AGI'>,
  ports: { readonly agi: number; readonly http: number },
): { readonly advertise_url: string; readonly advertise_agi: string } {
  const { HOST, ADVERTISE_URL, ADVERTISE_AGI } = settings;
  const address = HOST === '0.0.0.0' || HOST === '::' ? firstAddress() : HOST;
  const host = address.includes(':') ? `[${address}]` : address;
  return {
    advertise_url: ADVERTISE_URL ?? `http://${host}:${ports.http}`,
    advertise_agi: ADVERTISE_AGI ?? `${host}:${ports.agi}`,
  };
}

/** What no single setting can tell. */
export function checkBotSettings(settings: Partial<BotProcessSettings>): readonly SettingsProblem[] {
  const { SYNC_SECRET_KEY: keys, SYNC_SECRET_KEYS_DIR: folder, NODE_ID: nodeId } = settings;
  const problems: SettingsProblem[] = [];
  if (keys?.length === 0 && folder === undefined) {
    const message = 'is not set: the master shows an organization’s key at /api/orgs/<org_id>/keys';
    problems.push(settingsProblem('SYNC_SECRET_KEY', message));
  }
  if (nodeId !== undefined && !NODE_ID.test(nodeId)) {
    const message = `should be small letters, digits, dots and dashes, at most 63; it is "${nodeId}"`;
    problems.push(settingsProblem('NODE_ID', message));
  }
  // Whoever sets these counts on them: a node that passes them over would not be drained.
  for (const name of ['DRAIN_FILE', 'ON_DEADLINE'] as const)
    if (settings[name]) problems.push(settingsProblem(name, 'is not known to this version of the node yet'));
  return problems;
}
