import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pause } from '@voiceoi/kernel';
import type { Effect, EffectResult } from '@voiceoi/script';
import { readAnswer } from './answer.ts';
import { type GuardResult, guardHost, type Resolve, systemResolve } from './guard.ts';

export type HttpEffect = Extract<Effect, { kind: 'http' }>;

/** Sends the webhook requests of scripts. */
export interface Outbound {
  /** Never rejects. `allow`: the organization's `webhook_allow`. `signal`: nobody waits for the answer any more. */
  send(effect: HttpEffect, allow: readonly string[], signal: AbortSignal): Promise<EffectResult>;
  close(): void;
}

interface OutboundOptions {
  /** How host names are resolved; as the system does unless given. */
  readonly resolve?: Resolve;
}

interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** What came of one try; `again`: another may end better. */
interface Attempt {
  readonly result: EffectResult;
  readonly again: boolean;
}

const POOL = { keepAlive: true, maxSockets: 256, maxTotalSockets: 1024, maxFreeSockets: 32, timeout: 30_000 };
/** Before the first further try, and twice as long before each that follows. */
const RETRY_MS = 100;

export function createOutbound({ resolve = systemResolve }: OutboundOptions = {}): Outbound {
  const agents = { http: new HttpAgent(POOL), https: new HttpsAgent(POOL) };
  return {
    send: async (effect, allow, signal) => {
      for (let tries = 0; ; tries++) {
        const { result, again } = await attempt(effect, allow, signal, agents, resolve);
        if (!again || tries >= effect.retries || signal.aborted) return result;
        await pause(RETRY_MS * 2 ** tries, signal);
      }
    },
    close: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

async function attempt(
  effect: HttpEffect,
  allow: readonly string[],
  stop: AbortSignal,
  agents: Agents,
  resolve: Resolve,
): Promise<Attempt> {
  const url = URL.canParse(effect.url) ? new URL(effect.url) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return failed('the url is no http address', false);
  const timeout = AbortSignal.timeout(effect.timeout_ms);
  const signal = AbortSignal.any([stop, timeout]);
  try {
    const target = await unlessAborted(guardHost(url.hostname, allow, resolve), signal);
    if ('refused' in target) return failed(target.refused, !target.isForGood);
    const result = await readAnswer(await sendTo(url, target, effect, signal, agents));
    return { result, again: result.kind === 'response' && (result.status >= 500 || result.status === 429) };
  } catch (error) {
    if (stop.aborted) return failed('the call went on without it', false);
    if (timeout.aborted) return { result: { kind: 'timeout' }, again: true };
    return failed(reasonOf(error), true);
  }
}

function failed(reason: string, again: boolean): Attempt {
  return { result: { kind: 'failed', reason }, again };
}

/** Connects to the address that was checked; name and certificate stay those of the host. */
async function sendTo(
  url: URL,
  target: Exclude<GuardResult, { refused: string }>,
  effect: HttpEffect,
  signal: AbortSignal,
  agents: Agents,
): Promise<IncomingMessage> {
  const isTls = url.protocol === 'https:';
  const options: RequestOptions & { servername?: string } = {
    method: effect.method,
    host: target.address,
    family: target.family,
    port: url.port || (isTls ? 443 : 80),
    path: `${url.pathname}${url.search}`,
    headers: headersOf(url, effect),
    signal,
    ...(isTls ? { agent: agents.https, servername: url.hostname.replace(/^\[|\]$/g, '') } : { agent: agents.http }),
  };
  const send = isTls ? httpsRequest : httpRequest;
  try {
    return await answered(send, options, effect.body);
  } catch (error) {
    // A kept connection that the other side closed just then: nothing has come of the request, and a new connection will do.
    if (!(error instanceof StaleConnection)) throw error;
    return await answered(send, { ...options, agent: false }, effect.body);
  }
}

/** A kept connection was closed before it brought an answer. */
class StaleConnection extends Error {}

function answered(
  send: typeof httpRequest,
  options: RequestOptions,
  body: string | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = send(options, resolve);
    request.once('error', (error) => {
      const isStale = request.reusedSocket && 'code' in error && error.code === 'ECONNRESET';
      reject(isStale ? new StaleConnection() : error);
    });
    request.end(body);
  });
}

/** Headers that belong to the connection are ours. */
const OURS = /^(host|connection|content-length|transfer-encoding|upgrade|keep-alive|te|trailer|expect|proxy-.*)$/i;

/** A value loses what would end a header, or what a header cannot hold. */
function headersOf(url: URL, effect: HttpEffect): { readonly [name: string]: string | number } {
  const given = Object.entries(effect.headers)
    .filter(([name]) => !OURS.test(name))
    .map(([name, value]) => [name.toLowerCase(), value.replace(/[^\t\x20-\x7e\x80-\xff]/g, '')] as const);
  return {
    'user-agent': 'VoiceOI',
    accept: 'application/json',
    ...(effect.body !== undefined && { 'content-type': 'application/json' }),
    ...Object.fromEntries(given),
    host: url.host,
    ...(effect.body !== undefined && { 'content-length': Buffer.byteLength(effect.body) }),
  };
}

/** What is waited for, unless time is over before: resolving a name cannot be ended otherwise. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return `the request failed (${String(error.code)})`;
  return 'the request failed';
}
