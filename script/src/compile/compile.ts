import type { KnownNames } from '../expression/index.ts';
import { compileExpression, compileTemplate, type Evaluate, type Print } from '../expression/index.ts';
import type { ScriptDocument, Step, Variable } from '../schema/index.ts';
import { compileStep, DEFAULT_EXEC_ALLOW, type FieldCompiler, type RunnableStep } from '../steps/index.ts';
import {
  checkGraph,
  checkShape,
  checkWiring,
  type ERROR_CODES,
  type Issue,
  Issues,
  outcomesOf,
  traitsOf,
  type Validation,
  type WARNING_CODES,
  wiringOf,
} from '../validate/index.ts';

/** What a document is checked against beside the language. */
export interface CompileOptions {
  /** The organization's `exec_allow`; absent: the language's default list. */
  readonly exec_allow?: readonly string[] | undefined;
}

/** A step, ready to run, with where its outcomes lead. */
export interface CompiledStep {
  readonly name: string;
  readonly type: Step['type'];
  readonly run: RunnableStep;
  readonly isLive: boolean;
  readonly targets: ReadonlyMap<string, string>;
  /** What an unwired outcome counts as. */
  readonly fallbacks: ReadonlyMap<string, 'default' | 'error'>;
  readonly defaultOutcome: string | undefined;
}

/** A script version that calls can play. Immutable; shared by all calls of a node. */
export interface CompiledScript {
  readonly document: ScriptDocument;
  readonly entry: string;
  readonly onError: string | undefined;
  readonly onHangup: string | undefined;
  readonly limits: { readonly max_call_seconds: number; readonly max_steps: number };
  readonly variables: { readonly [name: string]: Variable };
  readonly steps: ReadonlyMap<string, CompiledStep>;
}

/** A script that can be played, or what is wrong with it. */
export type CompileResult =
  | { readonly ok: true; readonly script: CompiledScript; readonly warnings: readonly Issue[] }
  | { readonly ok: false; readonly errors: readonly Issue[]; readonly warnings: readonly Issue[] };

/** Checks a document and makes it ready to play; every expression is compiled here, once for all calls. Never throws. */
export function compile(document: unknown, options: CompileOptions = {}): CompileResult {
  const issues = new Issues();
  const shaped = checkShape(document, issues);
  const script = shaped && compileShaped(shaped, options, issues);
  const { errors, warnings } = issues.result();
  return script && errors.length === 0 ? { ok: true, script, warnings } : { ok: false, errors, warnings };
}

/** Checks a document: everything that `compile` would refuse, with codes and JSON pointers. Never throws. */
export function validate(document: unknown, options: CompileOptions = {}): Validation {
  const result = compile(document, options);
  return { valid: result.ok, errors: result.ok ? [] : result.errors, warnings: result.warnings };
}

function compileShaped(document: ScriptDocument, options: CompileOptions, issues: Issues): CompiledScript {
  checkWiring(document, issues);
  checkDefaults(document, issues);
  const vars = declaredNames(document);
  const steps = Object.entries(document.steps).map(([name, step]) => {
    const fields = new StepFields(name, step, vars, options.exec_allow ?? DEFAULT_EXEC_ALLOW, issues);
    return [name, compiledStep(name, step, compileStep(step, fields))] as const;
  });
  // The graph is worth looking at only when every edge leads somewhere.
  if (issues.result().valid) checkGraph(document, issues);
  return {
    document,
    entry: document.entry,
    onError: document.on_error,
    onHangup: document.on_hangup,
    limits: {
      max_call_seconds: document.limits?.max_call_seconds ?? 3600,
      max_steps: document.limits?.max_steps ?? 500,
    },
    variables: document.variables ?? {},
    steps: new Map(steps),
  };
}

function compiledStep(name: string, step: Step, run: RunnableStep): CompiledStep {
  const outcomes = outcomesOf(step);
  const fallbacks = outcomes.flatMap((outcome) =>
    outcome.fallback ? [[outcome.name, outcome.fallback] as const] : [],
  );
  const { live } = traitsOf(step);
  return {
    name,
    type: step.type,
    run,
    isLive: live,
    targets: wiringOf(step),
    fallbacks: new Map(fallbacks),
    defaultOutcome: outcomes[0]?.name,
  };
}

/** Every variable that is declared, set or saved anywhere. */
function declaredNames(document: ScriptDocument): ReadonlySet<string> {
  const names = Object.values(document.steps).flatMap((step) => {
    if (step.type === 'set') return Object.keys(step.values ?? {});
    if (step.type === 'webhook') return Object.keys(step.save ?? {});
    return (step.type === 'gather' || step.type === 'record') && step.save !== undefined ? [step.save] : [];
  });
  return new Set([...Object.keys(document.variables ?? {}), ...names]);
}

const DEFAULT_CHECKS: { readonly [T in Variable['type']]: (value: unknown) => boolean } = {
  string: (value) => typeof value === 'string',
  int: (value) => Number.isSafeInteger(value),
  double: (value) => typeof value === 'number',
  bool: (value) => typeof value === 'boolean',
  list: (value) => Array.isArray(value),
  map: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};

function checkDefaults(document: ScriptDocument, issues: Issues): void {
  for (const [name, { type, default: value }] of Object.entries(document.variables ?? {})) {
    if (value !== undefined && !DEFAULT_CHECKS[type](value))
      issues.error('SCHEMA', ['variables', name, 'default'], `the default is no ${type}`);
  }
}

/** Compiles one step's fields and collects what is wrong with them. */
class StepFields implements FieldCompiler {
  readonly execAllow: readonly string[];
  readonly #path: readonly string[];
  readonly #wired: ReadonlyMap<string, string>;
  readonly #known: KnownNames;
  readonly #withSecrets: KnownNames;
  readonly #issues: Issues;

  constructor(name: string, step: Step, vars: ReadonlySet<string>, execAllow: readonly string[], issues: Issues) {
    this.execAllow = execAllow;
    this.#path = ['steps', name];
    this.#wired = wiringOf(step);
    this.#known = { vars, secretsAllowed: false };
    this.#withSecrets = { vars, secretsAllowed: true };
    this.#issues = issues;
  }

  template(text: string, ...path: readonly (string | number)[]): Print {
    return this.#template(text, this.#known, path);
  }

  secretTemplate(
    text: string,
    ...path: readonly (string | number)[]
  ): { readonly print: Print; readonly usesSecret: boolean } {
    return { print: this.#template(text, this.#withSecrets, path), usesSecret: /\bsecret\b/.test(text) };
  }

  expression(text: string, ...path: readonly (string | number)[]): Evaluate {
    return this.#expression(text, path).evaluate;
  }

  condition(text: string, ...path: readonly (string | number)[]): Evaluate {
    const { evaluate, type } = this.#expression(text, path);
    if (type !== 'bool' && type !== 'dyn')
      this.problem('BAD_EXPRESSION', `a condition is true or false; this is of type ${type}`, ...path);
    return evaluate;
  }

  problem(code: (typeof ERROR_CODES)[number], message: string, ...path: readonly (string | number)[]): void {
    this.#issues.error(code, [...this.#path, ...path], message);
  }

  warning(code: (typeof WARNING_CODES)[number], message: string, ...path: readonly (string | number)[]): void {
    this.#issues.warning(code, [...this.#path, ...path], message);
  }

  isWired(outcome: string): boolean {
    return this.#wired.has(outcome);
  }

  #expression(
    text: string,
    path: readonly (string | number)[],
  ): { readonly evaluate: Evaluate; readonly type: string } {
    const compiled = compileExpression(text, this.#known);
    if ('evaluate' in compiled) return compiled;
    for (const { code, message } of compiled.problems) this.problem(code, message, ...path);
    return { evaluate: () => undefined, type: 'dyn' };
  }

  #template(text: string, known: KnownNames, path: readonly (string | number)[]): Print {
    const compiled = compileTemplate(text, known);
    if ('print' in compiled) return compiled.print;
    for (const { code, message } of compiled.problems) this.#issues.error(code, [...this.#path, ...path], message);
    return () => '';
  }
}
