import { cidrs, email, flag, integer, oneOf, port, secret, text, url, type Values } from '@voiceoi/kernel';
import { REDIS_VARIABLES } from './redis-settings.ts';

const SECRET_LENGTH = 32;

/** Where Postgres is. */
export const DATABASE_VARIABLES = {
  DB_HOST: text().about('host of Postgres'),
  DB_PORT: port(5432).about('its port'),
  DB_USER: text('voiceoi').about('its user'),
  DB_PASS: secret().about('the user’s password'),
  DB_NAME: text('voiceoi').about('the database'),
  DB_SSL: flag(false).about('connect with TLS'),
};

/** Settings of a master (contract.md, Configuration). */
export const MASTER_VARIABLES = {
  ...DATABASE_VARIABLES,
  ...REDIS_VARIABLES,
  DB_HOST: text().required().about('host of Postgres'),
  JWT_SECRET: secret({ minLength: SECRET_LENGTH }).required().about('signs access tokens, 32 characters or more'),
  SYNC_SECRET_SALT: secret({ minLength: SECRET_LENGTH })
    .required()
    .about('organization keys are derived from it, 32 characters or more'),
  ADMIN_EMAIL: email('admin@localhost').about('first administrator, made when there is no user'),
  ADMIN_PASSWORD: secret({ minLength: 8 }).about('their password; generated and printed once without it'),
  PUBLIC_URL: url('http://localhost:4000').about('address of the master as people and nodes see it'),
  TRUST_PROXY: cidrs().about('addresses of reverse proxies, whose X-Forwarded-For is believed; of nobody without it'),
  HOST: text('0.0.0.0').about('address to listen on'),
  PORT: port(4000).about('API'),
  GATEWAY_AGI_PORT: port().about('AGI gateway: passes calls on to nodes; off without it'),
  OPS_PORT: port(9464).about('/healthz, /readyz, /metrics'),
  DRAIN_SECONDS: integer({ min: 0, max: 3600, default: 20 }).about(
    'how long requests in flight may go on as the process ends',
  ),
  LOG_RETENTION_DAYS: integer({ min: 0, max: 36_500, default: 90 }).about(
    'how many days calls and their steps are kept; 0: for ever',
  ),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info').about('what is logged'),
};

/** What a master was told. */
export type MasterSettings = Values<typeof MASTER_VARIABLES>;

/** What of it the master itself needs, wherever its database is. */
export type ServiceSettings = Pick<
  MasterSettings,
  | 'JWT_SECRET'
  | 'SYNC_SECRET_SALT'
  | 'ADMIN_EMAIL'
  | 'ADMIN_PASSWORD'
  | 'PUBLIC_URL'
  | 'TRUST_PROXY'
  | 'HOST'
  | 'PORT'
  | 'DRAIN_SECONDS'
  | 'LOG_RETENTION_DAYS'
> &
  Partial<Pick<MasterSettings, 'GATEWAY_AGI_PORT'>>;

/** A pool's configuration from the settings. */
export function poolConfig(settings: Values<typeof DATABASE_VARIABLES>) {
  return {
    ...(settings.DB_HOST && { host: settings.DB_HOST }),
    port: settings.DB_PORT,
    user: settings.DB_USER,
    ...(settings.DB_PASS && { password: settings.DB_PASS }),
    database: settings.DB_NAME,
    ssl: settings.DB_SSL,
    max: 16,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: 30_000,
    // The server cannot say so when it is it that is gone without a word: a little later we give up by ourselves.
    query_timeout: 32_000,
    application_name: 'voiceoi',
  };
}
