import type { ServerResponse } from 'node:http';
import type { Dialect } from './dialects/index.ts';
import { problemOf, type Refusal } from './problem.ts';

/** What a request is answered with. */
export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly retryAfterSeconds?: number;
  /** The body was not read to its end. */
  readonly closes?: boolean;
}

export function said(dialect: Dialect, text: string): Reply {
  return { status: 200, type: `${dialect.answers}; charset=utf-8`, text };
}

export function refused(reason: Refusal, closes = false): Reply {
  const { status, retryAfterSeconds } = reason;
  const again = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  return { status, type: 'application/problem+json', text: JSON.stringify(problemOf(reason)), ...again, closes };
}

export function send(response: ServerResponse, { status, type, text, retryAfterSeconds, closes }: Reply): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...(status === 405 && { allow: 'POST' }),
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
    ...(closes && { connection: 'close' }),
  });
  response.end(text);
}
