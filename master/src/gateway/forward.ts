import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { guardedLookup, type NodeAddress } from './addresses.ts';
import type { Headers } from './headers.ts';

/** A request as it goes to a node. */
export interface Outgoing {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: Buffer;
  /** Whoever asked has left. */
  readonly signal: AbortSignal;
}

/** What became of it. */
export type Forwarded =
  | { readonly kind: 'answer'; readonly response: IncomingMessage }
  /** Nothing of it has been sent. */
  | { readonly kind: 'unreachable'; readonly error: Error }
  /** The node has, or may have, taken it. */
  | { readonly kind: 'failed'; readonly error: Error; readonly isTimeout: boolean };

/** Sends requests to nodes over connections that are kept. */
export interface Forwarder {
  send(to: NodeAddress, isFromLoopback: boolean, outgoing: Outgoing): Promise<Forwarded>;
  close(): void;
}

export interface ForwardTimes {
  /** For a connection. */
  readonly connectMs: number;
  /** For the head of the answer, and for each silence in its body. */
  readonly answerMs: number;
}

const TIMES: ForwardTimes = { connectMs: 3_000, answerMs: 30_000 };
const POOL = { keepAlive: true, maxSockets: 256, maxFreeSockets: 16, maxTotalSockets: 8_192 };

export function forwarder(times: ForwardTimes = TIMES): Forwarder {
  // A connection that was allowed for one sort of node is never used for the other.
  const agents = [false, true].map((isFromLoopback) => ({
    isFromLoopback,
    lookup: guardedLookup(isFromLoopback),
    http: new HttpAgent(POOL),
    https: new HttpsAgent(POOL),
  }));
  return {
    send: (to, isFromLoopback, outgoing) => {
      const agent = agents.find((one) => one.isFromLoopback === isFromLoopback);
      const options = { lookup: agent?.lookup, agent: to.isTls ? agent?.https : agent?.http };
      return send(to, outgoing, options, times);
    },
    close: () => {
      for (const { http, https } of agents) {
        http.destroy();
        https.destroy();
      }
    },
  };
}

function send(
  { host, port, isTls }: NodeAddress,
  { method, path, headers, body, signal }: Outgoing,
  options: Pick<RequestOptions, 'lookup' | 'agent'>,
  { connectMs, answerMs }: ForwardTimes,
): Promise<Forwarded> {
  return new Promise((resolve) => {
    const length = body.length > 0 || !/^(GET|HEAD|OPTIONS)$/.test(method) ? { 'content-length': body.length } : {};
    const request = (isTls ? httpsRequest : httpRequest)({
      ...options,
      ...{ host, port, method, path, signal, headers: { ...headers, ...length } },
      maxHeaderSize: 32 * 1024,
    });
    let isConnected = false;
    let isTimeout = false;
    const giveUp = (): void => {
      isTimeout = isConnected;
      request.destroy(new Error(isConnected ? 'no answer in time' : 'no connection in time'));
    };
    // Begins to count with the socket: what waits for a free one waits for the node's answers.
    let timer = setTimeout(giveUp, answerMs);
    const restart = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, ms);
    };
    request.on('socket', (socket: Socket) => {
      const onConnected = (): void => {
        isConnected = true;
        restart(answerMs);
      };
      if (request.reusedSocket) return onConnected();
      restart(connectMs);
      socket.once(isTls ? 'secureConnect' : 'connect', onConnected);
    });
    request.on('response', (response) => {
      clearTimeout(timer);
      request.setTimeout(answerMs, () => response.destroy(new Error('the answer stopped')));
      resolve({ kind: 'answer', response });
    });
    request.on('error', (error) => {
      clearTimeout(timer);
      resolve(isConnected ? { kind: 'failed', error, isTimeout } : { kind: 'unreachable', error });
    });
    request.end(body);
  });
}
