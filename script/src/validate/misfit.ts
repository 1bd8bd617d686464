import type { TSchema } from 'typebox';
import { Errors } from 'typebox/value';
import { closest } from '../closest.ts';
import type { Issues } from './issue.ts';

type Path = readonly (string | number)[];
type Schema = { readonly [keyword: string]: unknown };

/** What the schema library says of one place. */
interface Misfit {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

/** Tells where a value does not fit its schema, in words for the one who wrote it. */
export function reportMisfit(schema: TSchema, value: unknown, path: Path, issues: Issues): void {
  for (const misfit of Errors(schema, value)) {
    const place = locate(schema as Schema, value, misfit);
    if (place.isUnion) reportUnion(place.schema, place.value, [...path, ...place.path], issues);
    else reportOne(place.schema, misfit, [...path, ...place.path], issues);
  }
}

interface Place {
  readonly schema: Schema;
  readonly value: unknown;
  readonly path: readonly string[];
  /** The schema is one of several forms, and the misfit is one form's opinion. */
  readonly isUnion: boolean;
}

/** Follows a misfit into schema and value, as far as the first union on the way. */
function locate(root: Schema, value: unknown, misfit: Misfit): Place {
  const instance = tokensOf(misfit.instancePath);
  const keywords = tokensOf(misfit.schemaPath);
  let schema = root;
  let depth = 0;
  for (let index = 0; index < keywords.length && !('anyOf' in schema); index++) {
    const keyword = keywords[index] ?? '';
    if (keyword === 'properties' || keyword === 'patternProperties') {
      schema = schemaAt(schemaAt(schema, keyword), keywords[++index] ?? '');
      depth++;
    } else if (keyword === 'items') {
      schema = schemaAt(schema, keyword);
      depth++;
    }
  }
  const isUnion = 'anyOf' in schema;
  const path = isUnion ? instance.slice(0, depth) : instance;
  return { schema, path, isUnion, value: path.reduce(valueAt, value) };
}

/** The form that was meant is the one whose own field is there; with none, all forms are named. */
function reportUnion(union: Schema, value: unknown, path: Path, issues: Issues): void {
  const forms = Array.isArray(union['anyOf']) ? (union['anyOf'] as readonly (TSchema & Schema)[]) : [];
  const meant = forms.find((form) => isMeant(form, value));
  if (meant) reportMisfit(meant, value, path, issues);
  else issues.error('SCHEMA', path, `must be ${String(union['description'])}`);
}

function isMeant(form: Schema, value: unknown): boolean {
  if (typeof value === 'string') return form['type'] === 'string';
  const required = form['required'];
  const isObject = typeof value === 'object' && value !== null;
  return isObject && Array.isArray(required) && required.some((name) => Object.hasOwn(value, String(name)));
}

function reportOne(schema: Schema, misfit: Misfit, path: Path, issues: Issues): void {
  // A field too many is told as `schema is false` at the field, and once more for all of them at the object.
  if (misfit.keyword === 'boolean') issues.error('SCHEMA', path, unknownField(schema, String(path.at(-1))));
  else if (misfit.keyword !== 'additionalProperties') issues.error('SCHEMA', path, inWords(misfit));
}

function unknownField(schema: Schema, field: string): string {
  if ('patternProperties' in schema)
    return `"${field}" is no name that can be used here. ${String(schema['description'])}`;
  const near = closest(field, Object.keys(schemaAt(schema, 'properties')));
  return `there is no field "${field}" here${near ? `; did you mean "${near}"?` : ''}`;
}

function inWords({ params, message }: Misfit): string {
  if ('allowedValue' in params) return `must be ${JSON.stringify(params.allowedValue)}`;
  if ('allowedValues' in params && Array.isArray(params.allowedValues))
    return `must be one of ${params.allowedValues.map((value) => JSON.stringify(value)).join(', ')}`;
  return message;
}

function tokensOf(path: string): readonly string[] {
  const tokens = path.split('/').slice(1);
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function schemaAt(schema: Schema, name: string): Schema {
  const inner = Object.hasOwn(schema, name) ? schema[name] : undefined;
  return typeof inner === 'object' && inner !== null ? (inner as Schema) : {};
}

function valueAt(value: unknown, token: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, token)
    ? (value as Schema)[token]
    : undefined;
}
