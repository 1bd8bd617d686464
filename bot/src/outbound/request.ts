import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { pause } from '@voiceoi/kernel';
import type { EffectResult } from '@voiceoi/script';
import { readAnswer } from './answer.ts';
import { guardHost, type Resolve, systemResolve } from './guard.ts';
import { isPortOfOthers } from './ports.ts';
import { type Agents, type HttpEffect, sendToAny } from './send.ts';

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
  const problem = problemOf(url);
  if (!url || problem) return failed(problem ?? '', false);
  const timeout = AbortSignal.timeout(effect.timeout_ms);
  const signal = AbortSignal.any([stop, timeout]);
  try {
    const target = await unlessAborted(guardHost(url.hostname, allow, resolve), signal);
    if ('refused' in target) return failed(`${shownHost(url, effect)} ${target.refused}`, !target.isForGood);
    const result = await readAnswer(await sendToAny(url, target.addresses, effect, signal, agents));
    return { result, again: result.kind === 'response' && (result.status >= 500 || result.status === 429) };
  } catch (error) {
    if (stop.aborted) return failed('the call went on without it', false);
    if (timeout.aborted) return { result: { kind: 'timeout' }, again: true };
    return failed(reasonOf(error), true);
  }
}

/** What of a url alone says that nothing is sent. */
function problemOf(url: URL | undefined): string | undefined {
  if (!url || !/^https?:$/.test(url.protocol)) return 'the url is no http address';
  // Not sent by browsers either, and mostly there to make a host look like another one.
  if (url.username || url.password) return 'the url holds a user name or password: send them in a header';
  return isPortOfOthers(Number(url.port || 80)) ? `port ${url.port} is no port for http` : undefined;
}

/** The host as a reason may name it: a secret in it would not be found as it is, since a url is written in small letters. */
function shownHost(url: URL, effect: HttpEffect): string {
  return effect.masked.url === effect.url ? url.hostname : 'the host';
}

function failed(reason: string, again: boolean): Attempt {
  return { result: { kind: 'failed', reason }, again };
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
