import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { type StartedProcess, startProcess } from './process.ts';

export const ROOT = join(import.meta.dirname, '../..');

/** Answer of the master's API. */
export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the API answered
  readonly body: any;
  readonly headers: Headers;
}

/** A `standalone` on free ports with a data folder of its own, as `make run` starts it. */
export interface Standalone {
  readonly process: StartedProcess;
  readonly dataDir: string;
  readonly agiPort: number;
  readonly opsPort: number;
  readonly url: string;
  readonly password: string | undefined;
  /** Calls the API, signed in as the administrator. */
  api(method: string, path: string, body?: unknown, headers?: { readonly [name: string]: string }): Promise<Answer>;
  /** Stops the process and removes its data. */
  stop(): Promise<void>;
}

interface Options {
  readonly dataDir?: string;
  readonly env?: { readonly [name: string]: string };
  readonly password?: string;
}

/** Starts `standalone` from what was built; resolves when it says that it runs. */
export async function startStandalone(options: Options = {}): Promise<Standalone> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'voiceoi-standalone-'));
  const [port, agiPort, opsPort] = [await freePort(), await freePort(), await freePort()];
  const ports = { PORT: port, AGI_PORT: agiPort, OPS_PORT: opsPort, HTTP_PORT: await freePort() };
  const words = Object.entries(ports).map(([name, value]) => `${name}=${value}`);
  const started = startProcess(process.execPath, ['bin/start.js', `DATA_DIR=${dataDir}`, 'HOST=127.0.0.1', ...words], {
    cwd: ROOT,
    ...(options.env && { env: options.env }),
  });
  await started.waitFor(/is running/);
  const password = /Password\s+(\S+)/.exec(started.output())?.[1] ?? options.password;
  const url = `http://127.0.0.1:${port}`;
  return {
    process: started,
    dataDir,
    agiPort,
    opsPort,
    url,
    password,
    api: await signedIn(url, password),
    stop: async () => {
      await started.stop();
      if (!options.dataDir) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function signedIn(url: string, password: string | undefined): Promise<Standalone['api']> {
  const request = async (
    method: string,
    path: string,
    body?: unknown,
    headers: { readonly [name: string]: string } = {},
  ): Promise<Answer> => {
    const payload = body === undefined ? {} : { body: JSON.stringify(body) };
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await fetch(url + path, { method, headers: { ...json, ...headers }, ...payload });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, body: isJson && text ? JSON.parse(text) : text, headers: response.headers };
  };
  const login = await request('POST', '/api/auth/login', { email: 'admin@localhost', password });
  const token: string = login.body?.access_token ?? '';
  return (method, path, body, headers) => request(method, path, body, { authorization: `Bearer ${token}`, ...headers });
}

/** Asks until the answer satisfies `done`; rejects with the last answer after `timeoutMs`. */
export async function eventually<T>(
  ask: () => Promise<T>,
  done: (answer: T) => boolean,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (done(answer)) return answer;
    if (Date.now() > deadline)
      throw new Error(`not within ${timeoutMs} ms; last: ${JSON.stringify(answer)?.slice(0, 2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
