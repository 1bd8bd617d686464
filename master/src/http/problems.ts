import type { Problem, ProblemDetail } from '@voiceoi/contracts';

/** Every error that the API answers with: stable code, status, title. */
export const PROBLEMS = {
  VALIDATION_FAILED: { status: 400, title: 'The request is not valid' },
  UNAUTHENTICATED: { status: 401, title: 'Sign in first' },
  BAD_CREDENTIALS: { status: 401, title: 'E-mail or password is wrong' },
  UNKNOWN_KEY: { status: 401, title: 'The organization key is unknown, expired or revoked' },
  FORBIDDEN: { status: 403, title: 'Not allowed' },
  FOREIGN_ORGANIZATION: { status: 403, title: 'The organization key is of another organization' },
  NOT_FOUND: { status: 404, title: 'There is no such thing' },
  ALREADY_EXISTS: { status: 409, title: 'The name is taken' },
  LAST_OWNER: { status: 409, title: 'An organization keeps at least one owner' },
  IN_USE: { status: 409, title: 'Something else uses it' },
  LAST_KEY: { status: 409, title: 'An organization cannot be without a key' },
  CHANGED_MEANWHILE: { status: 412, title: 'It has changed meanwhile' },
  TOO_LARGE: { status: 413, title: 'The request is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'This content type is not taken' },
  SCRIPT_INVALID: { status: 422, title: 'The script has errors' },
  TOO_MANY_REQUESTS: { status: 429, title: 'Too many requests' },
  INTERNAL: { status: 500, title: 'Something went wrong here' },
  NODE_FAILED: { status: 502, title: 'The node did not answer as it should' },
  NO_NODE: { status: 503, title: 'No node can take it now' },
  NODE_TIMEOUT: { status: 504, title: 'The node did not answer in time' },
  OVERLOADED: { status: 503, title: 'Busy: try again shortly' },
} as const satisfies { readonly [code: string]: { readonly status: number; readonly title: string } };

export type ProblemCode = keyof typeof PROBLEMS;

/** Thrown by routes and services; answered as `application/problem+json`. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly errors: readonly ProblemDetail[] | undefined;
  readonly headers: { readonly [name: string]: string };

  constructor(
    code: ProblemCode,
    detail: string,
    options: {
      readonly errors?: readonly ProblemDetail[];
      readonly headers?: { readonly [name: string]: string };
    } = {},
  ) {
    super(detail);
    this.name = 'ProblemError';
    this.code = code;
    this.errors = options.errors;
    this.headers = options.headers ?? {};
  }
}

/** Input that is wrong at some places. */
export function validationFailed(errors: readonly ProblemDetail[]): ProblemError {
  const [first] = errors;
  const detail = first ? `${first.path || 'the body'}: ${first.message}` : 'the request is not valid';
  return new ProblemError('VALIDATION_FAILED', detail, { errors });
}

/** A thing that is not there; `what` as in `campaign "123"`. */
export function notFound(what: string): ProblemError {
  return new ProblemError('NOT_FOUND', `There is no ${what}`);
}

/** A problem as it goes over the wire. */
export function problemBody(
  code: ProblemCode,
  detail: string,
  requestId: string,
  errors?: readonly ProblemDetail[],
): Problem {
  const { status, title } = PROBLEMS[code];
  return {
    type: `about:blank#${code}`,
    title,
    status,
    detail,
    code,
    request_id: requestId,
    ...(errors && { errors: [...errors] }),
  };
}
