import { createLogger, createMetrics, deriveOrgKey, openRedis, type RedisAddress } from '@voiceoi/kernel';
import type { Database } from '../../master/src/database/index.ts';
import { createMaster, type Master } from '../../master/src/master.ts';
import { openEmbedded, openPostgres } from './databases.ts';

const SALT = 'a salt for tests that is long enough';
const PASSWORD = 'correct horse battery staple';

/** What the API answered to a request that did not go over a socket. */
export interface Injected {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the API answered
  readonly body: any;
  readonly headers: { readonly [name: string]: unknown };
}

/** A master in this process, for the tests of its features. */
export interface TestMaster {
  readonly master: Master;
  readonly database: Database;
  /** Calls the API as the administrator. A string or Buffer goes as it is. */
  api(method: string, path: string, body?: unknown, headers?: { readonly [name: string]: string }): Promise<Injected>;
  /** Calls the API with an organization's key. */
  node(
    orgId: string,
    method: string,
    path: string,
    body?: unknown,
    headers?: { readonly [name: string]: string },
  ): Promise<Injected>;
  /** That key: generation 1 unless told. */
  key(orgId: string, generation?: number): string;
  /** The administrator's access token. */
  readonly token: string;
  /** Another master on the same database. */
  another(): Promise<Master>;
  stop(): Promise<void>;
}

/** Makes a master on embedded Postgres, or on a database of its own on a real one; with an event bus where Redis is given. */
export async function startTestMaster({
  postgres = false,
  redis: address,
}: {
  readonly postgres?: boolean;
  readonly redis?: RedisAddress;
} = {}): Promise<TestMaster> {
  const { database, close } = postgres ? await openPostgres() : await openEmbedded();
  const masters: Master[] = [];
  const start = async (): Promise<Master> => {
    const log = createLogger({ level: 'silent', mode: 'test' });
    const settings = {
      JWT_SECRET: 'a secret for tests that is long enough',
      SYNC_SECRET_SALT: SALT,
      ADMIN_EMAIL: 'admin@localhost',
      ADMIN_PASSWORD: PASSWORD,
      PUBLIC_URL: 'http://localhost:4000',
      TRUST_PROXY: [],
      HOST: '127.0.0.1',
      PORT: 0,
      DRAIN_SECONDS: 1,
      LOG_RETENTION_DAYS: 90,
    };
    const metrics = createMetrics({ mode: 'test', version: '0.0.0' });
    // Ten times as often as in earnest, so that tests need not wait as long.
    const redis = address && { connections: openRedis(address, 'test'), address, lookMs: 1000 };
    const master = await createMaster({ settings, database, log, metrics, redis });
    masters.push(master);
    return master;
  };
  const master = await start();
  const inject = async (
    method: string,
    path: string,
    body: unknown,
    headers: { readonly [name: string]: string },
  ): Promise<Injected> => {
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
    const json = body === undefined || isRaw ? {} : { 'content-type': 'application/json' };
    const response = await master.app.inject({
      method: method as 'GET',
      url: path,
      headers: { ...json, ...headers },
      ...(body !== undefined && { payload: isRaw ? body : JSON.stringify(body) }),
    });
    const isJson = /json/.test(String(response.headers['content-type'] ?? ''));
    const isPacked = response.headers['content-encoding'] !== undefined;
    return {
      status: response.statusCode,
      body: isJson && !isPacked && response.payload ? JSON.parse(response.payload) : response.rawPayload,
      headers: response.headers,
    };
  };
  const login = await inject('POST', '/api/auth/login', { email: 'admin@localhost', password: PASSWORD }, {});
  const bearer = { authorization: `Bearer ${login.body.access_token}` };
  const key = (orgId: string, generation = 1): string => deriveOrgKey(SALT, orgId, generation);
  return {
    master,
    database,
    key,
    token: String(login.body.access_token),
    api: (method, path, body, headers = {}) => inject(method, path, body, { ...bearer, ...headers }),
    node: (orgId, method, path, body, headers = {}) =>
      inject(method, path, body, { 'x-organization-secret': key(orgId), ...headers }),
    another: start,
    stop: async () => {
      for (const one of masters) await one.stop();
      await close();
    },
  };
}
