import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Json } from '@voiceoi/contracts';
import type { Effect, EffectResult } from '@voiceoi/script';
import { guardHost } from './guard.ts';

type HttpEffect = Extract<Effect, { kind: 'http' }>;

/** Sends the webhook requests of scripts. */
export interface Outbound {
  /** Never rejects. `allow`: the organization's `webhook_allow`. `signal`: nobody waits for the answer any more. */
  send(effect: HttpEffect, allow: readonly string[], signal: AbortSignal): Promise<EffectResult>;
  close(): void;
}

/** Longest answer that a script gets; longer ones fail. */
const LONGEST_ANSWER = 64 * 1024;
const POOL = { keepAlive: true, maxSockets: 256, maxFreeSockets: 32, timeout: 30_000 };

export function createOutbound(): Outbound {
  const agents = { http: new HttpAgent(POOL), https: new HttpsAgent(POOL) };
  return {
    send: async (effect, allow, signal) => {
      for (let attempt = 0; ; attempt++) {
        const result = await attemptOnce(effect, allow, signal, agents);
        if (attempt >= effect.retries || signal.aborted || !isWorthRetrying(result)) return result;
      }
    },
    close: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

function isWorthRetrying(result: EffectResult): boolean {
  if (result.kind === 'response') return result.status >= 500 || result.status === 429;
  return result.kind === 'timeout' || (result.kind === 'failed' && !result.reason.includes('webhook_allow'));
}

interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

async function attemptOnce(
  effect: HttpEffect,
  allow: readonly string[],
  stop: AbortSignal,
  agents: Agents,
): Promise<EffectResult> {
  const url = URL.canParse(effect.url) ? new URL(effect.url) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return { kind: 'failed', reason: 'the url is no http address' };
  const timeout = AbortSignal.timeout(effect.timeout_ms);
  const either = AbortSignal.any([stop, timeout]);
  try {
    // A resolver that does not answer must not hold the caller longer than a server that does not.
    const target = await unlessAborted(guardHost(url.hostname, allow), either);
    if ('refused' in target) return { kind: 'failed', reason: target.refused };
    const response = await sendTo(url, target, effect, either, agents);
    return await readAnswer(response);
  } catch (error) {
    if (timeout.aborted && !stop.aborted) return { kind: 'timeout' };
    return { kind: 'failed', reason: stop.aborted ? 'the caller is gone' : reasonOf(error) };
  }
}

/** @throws when the signal is aborted first */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}

/** Connects to the address that was checked; name and certificate stay those of the host. */
function sendTo(
  url: URL,
  target: { readonly address: string; readonly family: 4 | 6 },
  effect: HttpEffect,
  signal: AbortSignal,
  agents: Agents,
): Promise<IncomingMessage> {
  const isTls = url.protocol === 'https:';
  const servername = url.hostname.replace(/^\[|\]$/g, '');
  const options: RequestOptions & { servername?: string } = {
    method: effect.method,
    host: target.address,
    family: target.family,
    port: url.port || (isTls ? 443 : 80),
    path: `${url.pathname}${url.search}`,
    headers: headersOf(url, effect),
    signal,
    ...(isTls ? { agent: agents.https, servername } : { agent: agents.http }),
  };
  return new Promise((resolve, reject) => {
    const request = (isTls ? httpsRequest : httpRequest)(options, resolve);
    // A peer that switches protocols, or closes without a word, would else be waited for in vain.
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new Error('the server wants another protocol'));
    });
    request.on('close', () => reject(new Error('the connection closed without an answer')));
    request.on('error', reject);
    request.end(effect.body);
  });
}

/** Headers that belong to the connection are ours; a value loses what would end a header. */
function headersOf(url: URL, effect: HttpEffect): { [name: string]: string | number } {
  const headers: { [name: string]: string | number } = { 'user-agent': 'VoiceOI', accept: 'application/json' };
  if (effect.body !== undefined) headers['content-type'] = 'application/json';
  for (const [name, value] of Object.entries(effect.headers)) {
    const isOurs =
      /^(host|connection|content-length|transfer-encoding|upgrade|keep-alive|te|trailer|expect|proxy-.*)$/i.test(name);
    if (!isOurs) headers[name.toLowerCase()] = value.replace(/[^\t\x20-\x7e\x80-\xff]/g, '');
  }
  return {
    ...headers,
    host: url.host,
    ...(effect.body !== undefined && { 'content-length': Buffer.byteLength(effect.body) }),
  };
}

async function readAnswer(response: IncomingMessage): Promise<EffectResult> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LONGEST_ANSWER) {
      response.destroy();
      return { kind: 'failed', reason: `an answer of more than ${LONGEST_ANSWER} bytes` };
    }
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
  return {
    kind: 'response',
    status: response.statusCode ?? 0,
    headers,
    body: parseBody(text, headers['content-type'] ?? ''),
  };
}

function parseBody(text: string, contentType: string): Json {
  if (!/\bjson\b/i.test(contentType)) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return `the request failed (${String(error.code)})`;
  return 'the request failed';
}
