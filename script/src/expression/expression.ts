import { boundWork } from './bounds.ts';
import { BOUNDED_MATCHES, PLAIN, WITH_SECRETS } from './environment.ts';
import { inspect, type Reference } from './inspect.ts';
import { type KnownNames, nameProblem } from './names.ts';
import { inspectPattern } from './patterns.ts';
import { spendWork } from './work.ts';

/** What an expression sees; values as `fromState` makes them. */
export interface Scope {
  readonly vars: object;
  readonly call: object;
  readonly lead: object;
  readonly input: object;
  readonly now: Date;
  readonly secret?: object;
}

/** A compiled expression. @throws Error for a value that it cannot be computed with */
export type Evaluate = (scope: Scope) => unknown;

/** One thing that is wrong with an expression. */
export interface ExpressionProblem {
  readonly code: 'BAD_EXPRESSION' | 'UNKNOWN_NAME';
  readonly message: string;
}

/** A compiled expression, or what is wrong with it. */
export type Compiled =
  | { readonly evaluate: Evaluate; readonly type: string }
  | { readonly problems: readonly ExpressionProblem[] };

/** Compiles one CEL expression and checks it against the names that can exist. */
export function compileExpression(text: string, known: KnownNames): Compiled {
  const bad = (message: string): Compiled => ({ problems: [{ code: 'BAD_EXPRESSION', message }] });
  try {
    // Everything is understood with secrets in scope; that they are used elsewhere is then said in so many words.
    const environment = known.secretsAllowed || /\bsecret\b/.test(text) ? WITH_SECRETS : PLAIN;
    const program = environment.parse(text);
    const inspection = inspect(program.ast, { matches: BOUNDED_MATCHES });
    const names = nameProblems(inspection.references, known);
    if (names.length > 0) return { problems: names };
    const bound = boundProblem(inspection);
    if (bound) return bad(bound);
    const checked = program.check();
    if (!checked.valid) return bad(firstLine(checked.error));
    const size = boundWork(program.ast);
    const evaluate: Evaluate = (scope) => {
      spendWork(size);
      return program(scope as unknown as Record<string, unknown>);
    };
    return { evaluate, type: String(checked.type) };
  } catch (error) {
    return bad(firstLine(error));
  }
}

const ROOTS: ReadonlySet<string> = new Set(['vars', 'call', 'lead', 'input', 'now', 'secret', 'cel', 'optional']);
/** Names of types, which are values in CEL. */
const TYPES: ReadonlySet<string> = new Set([
  'int',
  'uint',
  'double',
  'string',
  'bool',
  'bytes',
  'list',
  'map',
  'null_type',
  'type',
  'google',
  'timestamp',
  'duration',
  'dyn',
]);

function nameProblems(references: readonly Reference[], known: KnownNames): readonly ExpressionProblem[] {
  return references.flatMap((reference) => {
    const isKnown = ROOTS.has(reference.root) || TYPES.has(reference.root);
    const message = isKnown
      ? nameProblem(reference, known)
      : `${reference.root} is not a name here: there are vars, call, lead, input and now`;
    return message ? [{ code: 'UNKNOWN_NAME' as const, message }] : [];
  });
}

function boundProblem(inspection: ReturnType<typeof inspect>): string | undefined {
  if (inspection.shadowed.length > 0)
    return `${inspection.shadowed[0]} is a name of the scope and cannot be given to something else`;
  if (inspection.nestedComprehension)
    return 'map, filter, all and exists cannot be used inside one another: their cost would multiply';
  for (const pattern of inspection.patterns) {
    if (pattern === undefined) return 'the pattern of matches has to be written out';
    const inspected = inspectPattern(pattern);
    if ('problem' in inspected) return inspected.problem;
  }
  return undefined;
}

/** cel-js puts a drawing of the place below its message. */
function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : 'not an expression';
  return message.split('\n')[0] ?? message;
}
