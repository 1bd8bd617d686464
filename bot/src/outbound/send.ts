import { type Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { type Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Effect } from '@voiceoi/script';

export type HttpEffect = Extract<Effect, { kind: 'http' }>;

/** Kept connections. They are known by the address that they lead to and not by a name, so that none is used for a name that leads elsewhere by now. */
export interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** Nothing was sent: there was no connection. */
const UNREACHED = /^(ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL|ECONNREFUSED)$/;

/** Goes to the first of the addresses that can be reached: a machine without IPv6 gets such addresses all the same. */
export async function sendToAny(
  url: URL,
  addresses: readonly string[],
  effect: HttpEffect,
  signal: AbortSignal,
  agents: Agents,
): Promise<IncomingMessage> {
  for (const [index, address] of addresses.entries()) {
    try {
      return await sendTo(url, address, effect, signal, agents);
    } catch (error) {
      const isUnreached = error instanceof Error && 'code' in error && UNREACHED.test(String(error.code));
      if (!isUnreached || index === addresses.length - 1) throw error;
    }
  }
  throw new Error('no address');
}

/** Connects to an address that was checked; name and certificate stay those of the host. */
async function sendTo(
  url: URL,
  address: string,
  effect: HttpEffect,
  signal: AbortSignal,
  agents: Agents,
): Promise<IncomingMessage> {
  const isTls = url.protocol === 'https:';
  const options: RequestOptions & { servername?: string } = {
    method: effect.method,
    host: address,
    family: isIP(address) === 6 ? 6 : 4,
    port: url.port || (isTls ? 443 : 80),
    path: `${url.pathname}${url.search}`,
    headers: headersOf(url, effect),
    signal,
    ...(isTls ? { agent: agents.https, servername: serverName(url.hostname) } : { agent: agents.http }),
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

/** The name that a server is asked for with TLS: never an address, and without the dot that a full name may end with (RFC 6066). */
function serverName(hostname: string): string {
  return isIP(hostname.replace(/^\[|\]$/g, '')) ? '' : hostname.replace(/\.$/, '');
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
