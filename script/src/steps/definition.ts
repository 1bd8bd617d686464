import type { Json } from '@voiceoi/contracts';
import type { Evaluate, Print, Scope } from '../expression/index.ts';
import type { CallContext, Effect, EffectResult } from '../protocol.ts';
import type { Step } from '../schema/index.ts';
import type { ERROR_CODES, WARNING_CODES } from '../validate/index.ts';

/** What a step type compiles its fields with. Problems are collected; what is returned is safe to keep anyway. */
export interface FieldCompiler {
  /** `path` is relative to the step, as JSON pointer tokens. */
  template(text: string, ...path: readonly (string | number)[]): Print;
  expression(text: string, ...path: readonly (string | number)[]): Evaluate;
  /** An expression that is true or false; one that can never be is a problem. */
  condition(text: string, ...path: readonly (string | number)[]): Evaluate;
  /** Like `template`, with `secret` in scope; `usesSecret` says whether it does. */
  secretTemplate(
    text: string,
    ...path: readonly (string | number)[]
  ): { readonly print: Print; readonly usesSecret: boolean };
  problem(code: (typeof ERROR_CODES)[number], message: string, ...path: readonly (string | number)[]): void;
  warning(code: (typeof WARNING_CODES)[number], message: string, ...path: readonly (string | number)[]): void;
  /** Whether an outcome of this step is wired. */
  isWired(outcome: string): boolean;
  readonly execAllow: readonly string[];
}

/** What a step may see and change while it runs. Changes take hold when the turn is over. */
export interface StepRun {
  readonly context: CallContext;
  readonly scope: Scope;
  /** The scope with every secret masked. */
  readonly maskedScope: Scope;
  readonly step: string;
  readonly hungUp: boolean;
  /** What this step has kept for itself since it was entered; undefined at first. */
  readonly progress: Json | undefined;
  keep(progress: Json): void;
  /** Sets what the caller or a webhook brought in; `fromCaller` starts the count of steps without input anew. */
  bring(name: 'digits' | 'speech' | 'recording' | 'response', value: Json, fromCaller: boolean): void;
  /** Sets a variable to a value that an expression gave. @throws ValueError when it does not fit its declared type */
  assign(name: string, value: unknown): void;
  dispose(values: {
    readonly disposition?: string | undefined;
    readonly comment?: string | undefined;
    readonly fields?: { readonly [name: string]: string } | undefined;
  }): void;
  chooseArm(name: string): void;
}

/** What follows: an effect, an outcome, another step by name, or the end of the call. */
export type Next =
  | { readonly effect: Effect }
  | { readonly outcome: string; readonly reason?: string }
  | { readonly goto: string; readonly label: string }
  | { readonly end: 'completed' | 'transferred' };

/** A step ready to run. */
export interface RunnableStep {
  enter(run: StepRun): Next;
  /** The result of the effect that `enter` or `resume` asked for. A `failed` one comes here only where `takesFailure` is true. */
  resume?(run: StepRun, result: EffectResult): Next;
  readonly takesFailure?: boolean;
}

/** Compiles the fields of one step type. */
export type CompileStep<S extends Step> = (step: S, fields: FieldCompiler) => RunnableStep;

export type { EffectResult };
