import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

/** An answer of the master: status, how long to wait before another try, and its text. */
export interface PostAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

const TIMEOUT_MS = 30_000;
/** Longest answer that is read. */
const LONGEST_ANSWER = 1024 * 1024;

/**
 * A POST with a body that is there already, over one kept connection. Not `fetch`: its streams cost as much as the calls whose records they carry.
 * @throws Error when no answer comes
 */
export function createPoster(
  url: string,
): (headers: { readonly [name: string]: string }, body: Buffer) => Promise<PostAnswer> {
  const isTls = url.startsWith('https:');
  const agent = isTls
    ? new HttpsAgent({ keepAlive: true, maxSockets: 1 })
    : new HttpAgent({ keepAlive: true, maxSockets: 1 });
  return (headers, body) =>
    new Promise((resolve, reject) => {
      const options = {
        method: 'POST',
        agent,
        headers: { ...headers, 'content-length': body.length },
        timeout: TIMEOUT_MS,
      };
      const request = (isTls ? httpsRequest : httpRequest)(url, options, (response) => {
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
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', reject);
      request.end(body);
    });
}
