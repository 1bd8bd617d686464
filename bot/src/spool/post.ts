import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

/** An answer of the master: status, how long to wait before another try, and its text. */
export interface PostAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

export interface Poster {
  /** @throws Error when no answer comes in time */
  send(headers: { readonly [name: string]: string }, body: Buffer): Promise<PostAnswer>;
  /** Gives up what is under way, and the connection. */
  close(): void;
}

/** Longest answer that is read. */
const LONGEST_ANSWER = 1024 * 1024;

/**
 * POSTs bodies that are there already, over one kept connection. Not `fetch`: its streams cost as much as the calls whose records they carry.
 * `timeoutMs` bounds the whole exchange.
 */
export function createPoster(url: string, timeoutMs: number): Poster {
  const isTls = url.startsWith('https:');
  const options = { keepAlive: true, maxSockets: 1 };
  const agent = isTls ? new HttpsAgent(options) : new HttpAgent(options);
  const closing = new AbortController();

  const send: Poster['send'] = (headers, body) =>
    new Promise((resolve, reject) => {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]);
      const all = { ...headers, 'content-length': body.length };
      const request = (isTls ? httpsRequest : httpRequest)(url, { method: 'POST', agent, headers: all, signal });
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > LONGEST_ANSWER) request.destroy(new Error('an answer without end'));
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], text }),
        );
      });
      request.end(body);
    });

  return {
    send,
    close: () => {
      closing.abort();
      agent.destroy();
    },
  };
}
