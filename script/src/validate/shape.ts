import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { closest } from '../closest.ts';
import { Frame, LIMITS, type ScriptDocument, STEP_NAME, STEP_TYPES } from '../schema/index.ts';
import type { Issues } from './issue.ts';
import { reportMisfit } from './misfit.ts';

/** Step types that have a name already and come with a later version. */
export const RESERVED_TYPES: readonly string[] = ['listen', 'converse', 'ask_model', 'run'];

/** Deepest nesting of a document's JSON. */
const DEEPEST = 64;

interface Shape {
  readonly schema: TSchema;
  readonly check: Validator;
}

const frame: Shape = { schema: Frame, check: Compile(Frame as TSchema) };
const shapes = new Map<string, Shape>(
  Object.entries(STEP_TYPES).map(([type, { schema }]) => [type, { schema, check: Compile(schema as TSchema) }]),
);

/** Checks size and shape; returns the document when it can be looked at further. */
export function checkShape(document: unknown, issues: Issues): ScriptDocument | undefined {
  if (!isObject(document)) {
    issues.error('SCHEMA', [], 'a script is a JSON object');
    return undefined;
  }
  if (!checkSize(document, issues)) return undefined;
  report(frame, document, [], issues);
  const steps = document['steps'];
  if (!isObject(steps)) return undefined;
  const names = Object.keys(steps);
  if (names.length > LIMITS.steps)
    issues.error('TOO_LARGE', ['steps'], `a script has at most ${LIMITS.steps} steps; this one has ${names.length}`);
  if (names.length === 0) issues.error('SCHEMA', ['steps'], 'a script has at least one step');
  for (const name of names.slice(0, LIMITS.steps)) checkStep(name, steps[name], issues);
  return issues.result().errors.length === 0 ? (document as unknown as ScriptDocument) : undefined;
}

function checkSize(document: object, issues: Issues): boolean {
  const bytes = jsonLength(document);
  if (bytes === undefined) {
    issues.error('SCHEMA', [], 'a script is JSON, and this is none');
    return false;
  }
  if (bytes === 'deep') {
    issues.error('TOO_LARGE', [], `a script nests at most ${DEEPEST} levels deep`);
    return false;
  }
  if (bytes <= LIMITS.documentBytes) return true;
  issues.error(
    'TOO_LARGE',
    [],
    `a script has at most ${LIMITS.documentBytes / 1024} KiB of JSON; this one has ${Math.ceil(bytes / 1024)}`,
  );
  return false;
}

function deeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => deeperThan(item, levels - 1));
}

/** Bytes of the document as JSON; undefined for what only looks like an object of JSON (a bigint in it, a proxy). */
function jsonLength(document: object): number | 'deep' | undefined {
  try {
    if (deeperThan(document, DEEPEST)) return 'deep';
    return new TextEncoder().encode(JSON.stringify(document)).length;
  } catch {
    return undefined;
  }
}

function checkStep(name: string, step: unknown, issues: Issues): void {
  const path = ['steps', name];
  if (!new RegExp(STEP_NAME).test(name)) {
    issues.error('SCHEMA', path, 'a step’s name begins with a letter or _ and has at most 64 letters, digits, _ and -');
  }
  if (!isObject(step)) {
    issues.error('SCHEMA', path, 'a step is a JSON object');
    return;
  }
  const type = step['type'];
  const shape = typeof type === 'string' ? shapes.get(type) : undefined;
  if (shape) report(shape, step, path, issues);
  else reportType(type, [...path, 'type'], issues);
}

function report({ schema, check }: Shape, value: unknown, path: readonly string[], issues: Issues): void {
  if (!check.Check(value)) reportMisfit(schema, value, path, issues);
}

function reportType(type: unknown, path: readonly string[], issues: Issues): void {
  const types = Object.keys(STEP_TYPES);
  if (typeof type !== 'string') issues.error('SCHEMA', path, `a step has a type: one of ${types.join(', ')}`);
  else if (RESERVED_TYPES.includes(type))
    issues.error('RESERVED_TYPE', path, `steps of type ${type} come with a later version of VoiceOI`);
  else {
    const near = closest(type, types);
    issues.error(
      'SCHEMA',
      path,
      `there is no step type "${type.slice(0, 64)}"${near ? `; did you mean ${near}?` : `: there are ${types.join(', ')}`}`,
    );
  }
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
