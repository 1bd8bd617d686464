import type { ProblemDetail } from '@voiceoi/contracts';
import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { validationFailed } from './problems.ts';

/** Deepest nesting of a body. */
const DEEPEST = 64;
const MOST_ERRORS = 20;

/** Validates bodies and parameters strictly, as they came; query strings after their texts were read as numbers and truths. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = Compile(schema);
  return (input: unknown) => {
    const value = httpPart === 'querystring' ? readQuery(schema, input) : input;
    const textProblem = findBadText(value, '', DEEPEST);
    if (textProblem) return { error: validationFailed([textProblem]) };
    if (check.Check(value)) return { value };
    return { error: validationFailed(describe(check.Errors(value))) };
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

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

function describe(errors: readonly SchemaError[]): readonly ProblemDetail[] {
  // A union says that it matches nothing, beside what each branch says: one line is enough.
  const unions = new Set(errors.filter(({ keyword }) => keyword === 'anyOf').map(({ instancePath }) => instancePath));
  const told = errors.filter(
    // Beside `additionalProperties`, each name too many also says that its schema is false.
    ({ keyword, instancePath }) => keyword !== 'boolean' && (keyword === 'anyOf' || !unions.has(instancePath)),
  );
  return told.slice(0, MOST_ERRORS).flatMap(describeOne);
}

function describeOne({ keyword, instancePath, params, message }: SchemaError): readonly ProblemDetail[] {
  const names = (key: string): readonly string[] => {
    const value = key in params ? (params as { readonly [name: string]: unknown })[key] : undefined;
    return Array.isArray(value) ? value.map(String) : [];
  };
  const at = (name: string): string => `${instancePath}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  if (keyword === 'additionalProperties')
    return names('additionalProperties').map((name) => ({ path: at(name), message: 'is not known here' }));
  if (keyword === 'required')
    return names('requiredProperties').map((name) => ({ path: at(name), message: 'is missing' }));
  if (keyword === 'anyOf') return [{ path: instancePath, message: 'has none of the forms that are allowed here' }];
  return [{ path: instancePath, message }];
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
