import Type, { type Static } from 'typebox';

/** One place of the input that is wrong; `path` is a JSON pointer into the body, or the name of a parameter. */
export const ProblemDetail = Type.Object({
  path: Type.String(),
  message: Type.String(),
  code: Type.Optional(Type.String()),
});
export type ProblemDetail = Static<typeof ProblemDetail>;

/** RFC 9457 problem; `code` is stable and in SCREAMING_SNAKE. Media type `application/problem+json`. */
export const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: Type.String({ pattern: '^[A-Z][A-Z0-9_]*$' }),
  request_id: Type.String(),
  errors: Type.Optional(Type.Array(ProblemDetail)),
});
export type Problem = Static<typeof Problem>;
