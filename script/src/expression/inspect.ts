/** A node of cel-js's syntax tree, as far as it matters here. */
interface CelNode {
  readonly op: string;
  readonly args: unknown;
}

/** What a name refers to: `vars.plan` is `{ root: 'vars', fields: ['plan'] }`; a computed index ends the fields. */
export interface Reference {
  readonly root: string;
  readonly fields: readonly string[];
}

/** What validation wants to know of an expression. */
export interface Inspection {
  readonly references: readonly Reference[];
  /** Comprehensions (`map`, `filter`, `all`, …) inside the body of another: their costs multiply. */
  readonly nestedComprehension: boolean;
  /** Patterns of `matches`; undefined for one that is computed. */
  readonly patterns: readonly (string | undefined)[];
  /** Names of the scope that a comprehension or `cel.bind` hides. */
  readonly shadowed: readonly string[];
}

interface Findings {
  renamed: { readonly [method: string]: string };
  references: Reference[];
  patterns: (string | undefined)[];
  shadowed: string[];
  nestedComprehension: boolean;
}

/** Where the walk is: names bound around it, and whether a comprehension's body surrounds it. */
interface Place {
  readonly bound: ReadonlySet<string>;
  readonly inComprehension: boolean;
}

const COMPREHENSIONS: ReadonlySet<string> = new Set(['map', 'filter', 'all', 'exists', 'exists_one']);
const SCOPE: ReadonlySet<string> = new Set(['vars', 'call', 'lead', 'input', 'now', 'secret']);

/** Walks an expression's syntax tree once. Methods in `renamed` get their other name on the way. */
export function inspect(ast: unknown, renamed: { readonly [method: string]: string }): Inspection {
  const findings: Findings = { renamed, references: [], patterns: [], shadowed: [], nestedComprehension: false };
  visit(ast, { bound: new Set(), inComprehension: false }, findings);
  return findings;
}

function visit(value: unknown, place: Place, findings: Findings): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, place, findings);
    return;
  }
  if (!isNode(value)) return;
  const reference = referenceOf(value);
  if (reference) {
    if (!place.bound.has(reference.root)) findings.references.push(reference);
  } else if (value.op === 'rcall') visitCall({ args: value.args as [string, unknown, unknown[]] }, place, findings);
  else visit(value.args, place, findings);
}

function visitCall(node: { readonly args: [string, unknown, unknown[]] }, place: Place, findings: Findings): void {
  const [name, receiver, args] = node.args;
  const other = Object.hasOwn(findings.renamed, name) ? findings.renamed[name] : undefined;
  if (other !== undefined) node.args[0] = other;
  if (name === 'matches') findings.patterns.push(literalText(args[0]));
  const isBind = name === 'bind' && identifier(receiver) === 'cel';
  const isComprehension = COMPREHENSIONS.has(name) && args.length >= 2;
  if (!isBind) visit(receiver, place, findings);
  const variable = isBind || isComprehension ? identifier(args[0]) : undefined;
  if (variable === undefined) {
    visit(args, place, findings);
    return;
  }
  if (SCOPE.has(variable)) findings.shadowed.push(variable);
  if (isComprehension && place.inComprehension) findings.nestedComprehension = true;
  const inside = {
    bound: new Set([...place.bound, variable]),
    inComprehension: place.inComprehension || isComprehension,
  };
  visit(args.slice(1), inside, findings);
}

/** `a.b['c']` from its root; undefined when the node is no plain chain of names. */
function referenceOf(node: CelNode): Reference | undefined {
  if (node.op === 'id') return { root: String(node.args), fields: [] };
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const [inner, key] = node.args as [unknown, unknown];
  const base = isNode(inner) ? referenceOf(inner) : undefined;
  const field = node.op === '.' ? String(key) : literalText(key);
  return base && field !== undefined ? { root: base.root, fields: [...base.fields, field] } : undefined;
}

function identifier(value: unknown): string | undefined {
  return isNode(value) && value.op === 'id' ? String(value.args) : undefined;
}

function literalText(value: unknown): string | undefined {
  return isNode(value) && value.op === 'value' && typeof value.args === 'string' ? value.args : undefined;
}

function isNode(value: unknown): value is CelNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}
