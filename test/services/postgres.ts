import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from './free-port.ts';

/** A fresh database on a real server, for one test. */
export interface PostgresService {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Drops the database, and the server if this call started it. */
  stop(): Promise<void>;
}

interface Server {
  readonly url: string;
  /** Ends every process of the server at once, as when the machine kills it; its data stay. */
  kill(): Promise<void>;
  /** Starts it again on what it had, and answers where it is now. */
  restart(): Promise<string>;
  stop(): Promise<void>;
}

/** A server's address that tests share: set by people, or by the global set-up of the test run. */
export const POSTGRES_URL = 'VOICEOI_TEST_POSTGRES_URL';

/** Why no Postgres can be had here; undefined when one can. */
export function postgresSkipReason(): string | undefined {
  if (process.env[POSTGRES_URL] || postgresServerSkipReason() === undefined) return undefined;
  return `no Postgres: set ${POSTGRES_URL}, start Docker, or install Debian's postgresql`;
}

/** Why no server of one's own can be had here, to be killed and started again; undefined when one can. */
export function postgresServerSkipReason(): string | undefined {
  if (dockerAnswers() || serverBinaries()) return undefined;
  return 'no Postgres that may be killed: start Docker, or install Debian’s postgresql';
}

/** A fresh database: on the server that `VOICEOI_TEST_POSTGRES_URL` names, else on one of its own. */
export async function startPostgres(): Promise<PostgresService> {
  const shared = process.env[POSTGRES_URL];
  const server: Pick<Server, 'url' | 'stop'> = shared
    ? { url: shared, stop: async () => {} }
    : await startPostgresServer();
  const database = `test_${randomBytes(8).toString('hex')}`;
  await runSql(server.url, `CREATE DATABASE ${database}`);
  const url = new URL(server.url);
  url.pathname = `/${database}`;
  return {
    url: url.toString(),
    host: url.hostname,
    port: Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database,
    stop: async () => {
      await runSql(server.url, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
      await server.stop();
    },
  };
}

/** A server by Docker where it answers, else by Debian's binaries, on a free port of loopback. `durable`: a commit waits for the disk, as in earnest. */
export async function startPostgresServer({ durable = false } = {}): Promise<Server> {
  if (dockerAnswers()) return startContainer();
  const binaries = serverBinaries();
  if (!binaries) throw new Error(postgresServerSkipReason());
  return startLocalServer(binaries, durable);
}

async function startContainer(): Promise<Server> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = await new GenericContainer('postgres:17-alpine')
    .withEnvironment({ POSTGRES_PASSWORD: 'voiceoi' })
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
    .start();
  const url = (): string =>
    `postgres://postgres:voiceoi@${container.getHost()}:${container.getMappedPort(5432)}/postgres`;
  return {
    url: url(),
    kill: async () => void execFileSync('docker', ['kill', container.getId()], { stdio: 'ignore' }),
    restart: async () => {
      await container.restart();
      return url();
    },
    stop: async () => void (await container.stop()),
  };
}

async function startLocalServer(binaries: string, durable: boolean): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'voiceoi-postgres-'));
  const as = processOwner();
  if (as) chownSync(folder, as.uid, as.gid);
  const data = join(folder, 'data');
  const init = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'];
  execFileSync(join(binaries, 'initdb'), init, { stdio: 'pipe', cwd: folder, ...as });
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    fsync: durable ? 'on' : 'off',
    max_connections: 200,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  let server: ChildProcess;
  const start = async (): Promise<string> => {
    server = spawn(join(binaries, 'postgres'), ['-D', data, ...flags], { stdio: 'ignore', cwd: folder, ...as });
    await waitUntilItAnswers(url, server);
    return url;
  };
  await start();
  return {
    url,
    kill: () => ended(server, 'SIGKILL'),
    restart: () => untilItStarts(start),
    stop: async () => {
      await ended(server, 'SIGQUIT');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function waitUntilItAnswers(url: string, server: ChildProcess): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await runSql(url, 'SELECT 1');
    } catch (error) {
      if (Date.now() > deadline || server.exitCode !== null)
        throw new Error('Postgres did not start', { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}

/** Children of a server that was killed end by themselves, soon; until then no other may work on their data, and none starts. */
async function untilItStarts(start: () => Promise<string>): Promise<string> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/** Postgres refuses to run as root: then it runs as the user that Debian's package made. */
function processOwner(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

function serverBinaries(): string | undefined {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(root, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb')));
}

let dockerAnswer: boolean | undefined;

function dockerAnswers(): boolean {
  dockerAnswer ??= runs('docker', ['info']);
  return dockerAnswer;
}

function runs(command: string, words: readonly string[]): boolean {
  try {
    execFileSync(command, words, { stdio: 'ignore', timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}
