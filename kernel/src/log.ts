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
  'value',
];

/** Fields with telephone numbers: a log need not say whose, and has to say which of two. */
const PHONE_FIELDS = ['caller', 'number', 'phone', 'from', 'to'];
/** Digits that are left of one. */
const SHOWN_DIGITS = 3;

const REDACTED = [
  ...[...SECRET_FIELDS, ...PHONE_FIELDS].flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
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

/** Secrets are left out; of telephone numbers the last digits stay. What is no number there (a revision, an object) is not one's to hide. */
function censor(value: unknown, path: readonly string[]): unknown {
  if (!PHONE_FIELDS.includes(path.at(-1) ?? '')) return '***';
  const isPhone = typeof value === 'string' && /^\+?[\d ()./-]{5,}$/.test(value);
  return isPhone ? `***${value.slice(-SHOWN_DIGITS)}` : value;
}

/** JSON lines on standard output; `error` means that a person has to act. */
export function createLogger({ level, mode, stream }: LoggerOptions): Logger {
  const options = {
    level,
    base: { mode },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACTED, censor },
  };
  return stream ? pino(options, stream) : pino(options);
}
