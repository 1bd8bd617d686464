import { Environment } from '@marcbachmann/cel-js';
import { matchesPattern } from './patterns.ts';

/** Names that every expression may use; `secret` only in webhooks. */
export type ScopeName = 'vars' | 'call' | 'lead' | 'input' | 'now' | 'secret';

/** Structural bounds of one expression: it has no loops, so these bound its cost. */
const EXPRESSION_LIMITS = {
  maxAstNodes: 400,
  maxDepth: 40,
  maxListElements: 200,
  maxMapEntries: 200,
  maxCallArguments: 16,
};

/** What `matches` is called in the tree: cel-js lets nobody replace its own, which knows no bounds. */
export const BOUNDED_MATCHES = 'matchesWithinBounds';

function environment(): Environment {
  const made = new Environment({
    unlistedVariablesAreDyn: false,
    homogeneousAggregateLiterals: false,
    limits: EXPRESSION_LIMITS,
  })
    .registerVariable('vars', 'map<string, dyn>')
    .registerVariable('call', 'map<string, dyn>')
    .registerVariable('lead', 'map<string, dyn>')
    .registerVariable('input', 'map<string, dyn>')
    .registerVariable('now', 'google.protobuf.Timestamp')
    .registerFunction(`string.${BOUNDED_MATCHES}(string): bool`, matchesPattern)
    .registerFunction('string(google.protobuf.Timestamp): string', (value: Date) => value.toISOString())
    .registerFunction('int(google.protobuf.Timestamp): int', (value: Date) =>
      BigInt(Math.floor(value.getTime() / 1000)),
    );
  registerMixedArithmetic(made);
  return made;
}

/** A number out of JSON is an int when it is whole: a price times 1.2 must not fail on the day when the price is. */
function registerMixedArithmetic(made: Environment): void {
  const operations: { readonly [operator: string]: (left: number, right: number) => number } = {
    '+': (left, right) => left + right,
    '-': (left, right) => left - right,
    '*': (left, right) => left * right,
    '/': (left, right) => left / right,
  };
  for (const [operator, apply] of Object.entries(operations)) {
    made.registerOperator(`int ${operator} double: double`, (l: bigint, r: number) => apply(Number(l), r));
    made.registerOperator(`double ${operator} int: double`, (l: number, r: bigint) => apply(l, Number(r)));
  }
}

/** Where most expressions are understood, and where those of webhooks are. */
export const PLAIN: Environment = environment();
export const WITH_SECRETS: Environment = environment().registerVariable('secret', 'map<string, string>');
