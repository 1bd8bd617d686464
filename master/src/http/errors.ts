import type { ProblemDetail } from '@voiceoi/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DatabaseAway } from '../database/index.ts';
import { PROBLEMS, type ProblemCode, ProblemError, problemBody } from './problems.ts';

/** What Fastify's own errors are to the outside. */
const FASTIFY_CODES: { readonly [code: string]: readonly [ProblemCode, string] } = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['TOO_LARGE', 'The body is larger than this address takes'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['UNSUPPORTED_MEDIA_TYPE', 'Send application/json'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['VALIDATION_FAILED', 'The body is empty, and JSON was announced'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['VALIDATION_FAILED', 'The body is no JSON'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['VALIDATION_FAILED', 'The body is not as long as Content-Length says'],
  FST_ERR_BAD_URL: ['VALIDATION_FAILED', 'The address cannot be read'],
  FST_ERR_MAX_PARAM_LENGTH: ['NOT_FOUND', 'There is nothing at this address'],
};

/** Answers an error as a problem; what nobody expected says nothing to the outside and everything to the log. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const found = validationOf(error) ?? known(error);
  if (!found) {
    request.log.error(
      { err: error, request_id: request.id, method: request.method, route: request.routeOptions.url },
      'unexpected error',
    );
    return send(reply, request, 'INTERNAL', 'An unexpected error; the log has it under this request_id');
  }
  for (const [name, value] of Object.entries(found.headers)) reply.header(name, value);
  send(reply, request, found.code, found.message, found.errors);
}

export function answerNotFound(request: FastifyRequest, reply: FastifyReply): void {
  send(
    reply,
    request,
    'NOT_FOUND',
    `There is nothing at ${request.method} ${request.url.split('?')[0]?.slice(0, 200)}`,
  );
}

/** Fastify wraps what our validator answers, or passes it on. */
function validationOf(error: unknown): ProblemError | undefined {
  if (error instanceof ProblemError) return error;
  const cause = error instanceof Error && error.cause instanceof ProblemError ? error.cause : undefined;
  return cause;
}

function known(error: unknown): ProblemError | undefined {
  if (!(error instanceof Error)) return undefined;
  // Whoever asks again is answered when it is back; a node keeps its records so long.
  if (error instanceof DatabaseAway)
    return new ProblemError('OVERLOADED', 'The database does not answer', { headers: { 'retry-after': '2' } });
  const code = 'code' in error ? String(error.code) : '';
  const entry = FASTIFY_CODES[code];
  if (entry)
    return new ProblemError(
      entry[0],
      entry[1],
      entry[0] === 'VALIDATION_FAILED' ? { errors: [{ path: '', message: entry[1] }] } : {},
    );
  const isBadJson = error instanceof SyntaxError && 'statusCode' in error && error.statusCode === 400;
  return isBadJson
    ? new ProblemError('VALIDATION_FAILED', 'The body is no JSON', { errors: [{ path: '', message: 'is no JSON' }] })
    : undefined;
}

function send(
  reply: FastifyReply,
  request: FastifyRequest,
  code: ProblemCode,
  detail: string,
  errors?: readonly ProblemDetail[],
): void {
  reply
    .code(PROBLEMS[code].status)
    .type('application/problem+json; charset=utf-8')
    .send(problemBody(code, detail, request.id, errors));
}
