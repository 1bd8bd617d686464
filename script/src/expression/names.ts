import { closest } from '../closest.ts';
import type { Reference } from './inspect.ts';

/** Fields of `call` and `input`, as the specification names them. */
const CALL_FIELDS = [
  'id',
  'org_id',
  'campaign_id',
  'script_id',
  'version',
  'node_id',
  'channel',
  'unique_id',
  'caller',
  'dnid',
  'context',
  'extension',
  'language',
  'args',
  'started_at',
];
const INPUT_FIELDS = ['digits', 'speech', 'recording', 'response'];
const NESTED: { readonly [path: string]: readonly string[] } = {
  'call.caller': ['number', 'name'],
  'input.recording': ['file', 'duration_ms', 'ended_by'],
  'input.response': ['status', 'headers', 'body'],
};

/** What a name may be checked against. */
export interface KnownNames {
  /** Declared, set or saved anywhere in the script. */
  readonly vars: ReadonlySet<string>;
  readonly secretsAllowed: boolean;
}

/** Why a name cannot exist; undefined when it can. */
export function nameProblem({ root, fields }: Reference, known: KnownNames): string | undefined {
  const [first, second] = fields;
  if (root === 'secret' && !known.secretsAllowed)
    return '`secret` can be used in a webhook’s url, headers and body alone';
  if (first === undefined) return undefined;
  if (root === 'vars')
    return known.vars.has(first)
      ? undefined
      : unknown(`vars.${first}`, 'is declared, set or saved nowhere', first, [...known.vars]);
  if (root === 'call') return fieldProblem('call', first, CALL_FIELDS) ?? nestedProblem('call', first, second);
  if (root === 'input') return fieldProblem('input', first, INPUT_FIELDS) ?? nestedProblem('input', first, second);
  return undefined;
}

function fieldProblem(root: string, field: string, fields: readonly string[]): string | undefined {
  return fields.includes(field) ? undefined : unknown(`${root}.${field}`, 'does not exist', field, fields);
}

function nestedProblem(root: string, field: string, inner: string | undefined): string | undefined {
  const fields = NESTED[`${root}.${field}`];
  return inner === undefined || !fields ? undefined : fieldProblem(`${root}.${field}`, inner, fields);
}

function unknown(name: string, why: string, given: string, candidates: readonly string[]): string {
  const near = closest(given, candidates);
  return near ? `${name} ${why}; did you mean ${near}?` : `${name} ${why}`;
}
