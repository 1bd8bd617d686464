import { freePort } from './free-port.ts';
import type { PostgresService } from './postgres.ts';
import { type StartedProcess, startProcess } from './process.ts';
import { type Answer, ROOT } from './standalone.ts';

/** Of the administrator of a master that is started with `masterSettings`. */
export const PASSWORD = 'correct horse battery';

/** Starts the process that `SERVICE_MODE` names, with these settings as its command line. */
export function startMode(settings: object): StartedProcess {
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return startProcess(process.execPath, ['bin/start.js', ...words], { cwd: ROOT });
}

/** Settings of a master of its own on a database. */
export async function masterSettings(postgres: PostgresService, port: number): Promise<object> {
  return {
    SERVICE_MODE: 'master',
    DB_HOST: postgres.host,
    DB_PORT: postgres.port,
    DB_USER: postgres.user,
    DB_PASS: postgres.password || 'unused',
    DB_NAME: postgres.database,
    JWT_SECRET: 'j'.repeat(40),
    SYNC_SECRET_SALT: 's'.repeat(40),
    ADMIN_PASSWORD: PASSWORD,
    HOST: '127.0.0.1',
    PORT: port,
    OPS_PORT: await freePort(),
  };
}

/** Asks a master over HTTP. */
export async function askMaster(url: string, bearer: string, method: string, body?: unknown): Promise<Answer> {
  const json = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(url, {
    method,
    headers: { authorization: bearer, ...json },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : {}, headers: response.headers };
}
