import type { ProblemDetail } from '@voiceoi/contracts';

/** An error as TypeBox tells it; `schemaPath` names the branch of a union that it is of. */
interface SchemaError {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

const MOST_ERRORS = 20;

/** What is wrong with a request, place by place. A union whose forms all do not fit is one place, and not one for each form. */
export function describeErrors(errors: readonly SchemaError[]): readonly ProblemDetail[] {
  // Beside `additionalProperties`, each name too many also says that its schema is false.
  const told = errors.filter(({ keyword }) => keyword !== 'boolean');
  const groups = byUnion(told);
  // TypeBox tells so many errors and no more: the last union may be told in part, and would be misread.
  const last = groups.at(-1)?.at(-1);
  const isCut = groups.length > 1 && last !== undefined && last.keyword !== 'anyOf' && unionOf(last) !== undefined;
  return (isCut ? groups.slice(0, -1) : groups).flatMap(describeUnion).slice(0, MOST_ERRORS);
}

const unionOf = ({ keyword, schemaPath }: SchemaError): string | undefined =>
  keyword === 'anyOf' ? schemaPath.split(/\/anyOf\/\d+/)[0] : /^(.*?)\/anyOf\/\d+/.exec(schemaPath)?.[1];

/** Errors outside of unions by themselves, those of one union together: they come one after the other, and `anyOf` at the union's place is the last. */
function byUnion(errors: readonly SchemaError[]): readonly (readonly SchemaError[])[] {
  const groups: SchemaError[][] = [];
  let open: string | undefined;
  for (const error of errors) {
    const union = unionOf(error);
    if (union !== undefined && union === open) groups.at(-1)?.push(error);
    else groups.push([error]);
    open = error.keyword === 'anyOf' && error.schemaPath === union ? undefined : union;
  }
  return groups;
}

function describeUnion(errors: readonly SchemaError[]): readonly ProblemDetail[] {
  const branchOf = ({ schemaPath }: SchemaError): string => (schemaPath.match(/\/anyOf\/\d+/g) ?? []).join('');
  // That it is not null either is no help to whoever meant something else.
  const isHelpful = ({ keyword, params }: SchemaError): boolean =>
    keyword !== 'anyOf' && !(keyword === 'type' && 'type' in params && params.type === 'null');
  const helpful = errors.filter(isHelpful);
  if (new Set(helpful.map(branchOf)).size <= 1 && helpful.length > 0) return helpful.flatMap(describeOne);
  const path = errors.map(({ instancePath }) => instancePath).sort((a, b) => a.length - b.length)[0] ?? '';
  return [{ path, message: 'has none of the forms that are allowed here' }];
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
  return [{ path: instancePath, message }];
}
