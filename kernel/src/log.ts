import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Fields that never reach a log, wherever an object carries them one or two levels down. */
const SECRET_FIELDS = [
  'password',
  'current_password',
  'new_password',
  'token',
  'access_token',
  'refresh_token',
  'key',
  'secret',
  'authorization',
  'cookie',
  'sig',
];

const REDACTED = [
  ...SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
  ...['x-organization-secret', 'x-sync-token', 'set-cookie'].flatMap((header) => [
    `headers["${header}"]`,
    `*.headers["${header}"]`,
  ]),
];

interface LoggerOptions {
  readonly level: string;
  readonly mode: string;
  readonly stream?: DestinationStream;
}

/** JSON lines on standard output; `error` means that a person has to act. */
export function createLogger({ level, mode, stream }: LoggerOptions): Logger {
  const options = {
    level,
    base: { mode },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACTED, censor: '***' },
  };
  return stream ? pino(options, stream) : pino(options);
}
