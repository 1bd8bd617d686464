import { randomUUID } from 'node:crypto';
import type { Problem, ProblemDetail } from '@voiceoi/contracts';
import type { RefusalReason } from '../calls/index.ts';

/** Why a request is not answered with actions. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly ProblemDetail[];
  /** Another node, or this one later, may take it. */
  readonly retryAfterSeconds?: number;
}

const TITLES: { readonly [status: number]: string } = {
  400: 'Bad request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timeout',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  500: 'Internal error',
  503: 'Unavailable',
};

/** Body of a refusal, RFC 9457. */
export function problemOf({ status, code, detail, errors }: Refusal): Problem {
  return {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    code,
    request_id: randomUUID(),
    ...(errors && { errors: [...errors] }),
  };
}

export function refusal(status: number, code: string, detail: string): Refusal {
  return { status, code, detail };
}

const RETRY_SECONDS = 1;

/** A call that the node did not take, as an answer. */
export function refusedCall(reason: RefusalReason, detail: string): Refusal {
  const code = reason.toUpperCase();
  switch (reason) {
    case 'draining':
    case 'at_capacity':
    case 'no_configuration':
      return { status: 503, code, detail, retryAfterSeconds: RETRY_SECONDS };
    case 'unknown_org':
    case 'unknown_campaign':
      return { status: 404, code, detail };
    case 'campaign_paused':
    case 'no_script':
    case 'script_broken':
      return { status: 409, code, detail };
    case 'bad_request':
      return { status: 400, code, detail };
    default:
      return reason satisfies never;
  }
}
