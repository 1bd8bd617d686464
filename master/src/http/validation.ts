import type { ProblemDetail } from '@voiceoi/contracts';
import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { validationFailed } from './problems.ts';
import { describeErrors } from './schema-errors.ts';

/** Deepest nesting of a body. */
const DEEPEST = 64;

/** Validates bodies and parameters strictly, as they came; query strings after their texts were read as numbers and truths. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = Compile(schema);
  return (input: unknown) => {
    const value = httpPart === 'querystring' ? readQuery(schema, input) : input;
    const textProblem = findBadText(value, '', DEEPEST);
    if (textProblem) return { error: validationFailed([textProblem]) };
    if (check.Check(value)) return { value };
    return { error: validationFailed(describeErrors(check.Errors(value))) };
  };
};

/** Texts of a query as the numbers and truths that their schema asks for; what is written otherwise stays text, and is refused as such. */
function readQuery(schema: TSchema, input: unknown): unknown {
  const types =
    'properties' in schema ? (schema.properties as { readonly [name: string]: { readonly type?: string } }) : {};
  const read = (name: string, text: unknown): unknown => {
    const type = Object.hasOwn(types, name) ? types[name]?.type : undefined;
    if (typeof text !== 'string') return text;
    if ((type === 'integer' || type === 'number') && /^-?\d{1,16}(\.\d{1,16})?$/.test(text)) return Number(text);
    return type === 'boolean' && /^(true|false)$/.test(text) ? text === 'true' : text;
  };
  return Object.fromEntries(Object.entries(input ?? {}).map(([name, text]) => [name, read(name, text)]));
}

/** Text that Postgres cannot keep (NUL, half a surrogate pair), or nesting without end. */
function findBadText(value: unknown, path: string, levels: number): ProblemDetail | undefined {
  if (typeof value === 'string') return textProblem(value, path);
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return { path, message: `nests more than ${DEEPEST} levels deep` };
  for (const [name, item] of Object.entries(value)) {
    const inner = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const found = textProblem(name, inner) ?? findBadText(item, inner, levels - 1);
    if (found) return found;
  }
  return undefined;
}

function textProblem(text: string, path: string): ProblemDetail | undefined {
  if (text.includes('\0')) return { path, message: 'holds the character NUL' };
  return /\p{Cs}/u.test(text) ? { path, message: 'holds half a surrogate pair' } : undefined;
}
