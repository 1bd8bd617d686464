/** What stops a publish. */
export const ERROR_CODES = [
  'SCHEMA',
  'UNKNOWN_STEP',
  'MISSING_OUTCOME',
  'UNKNOWN_OUTCOME',
  'BAD_EXPRESSION',
  'UNKNOWN_NAME',
  'BUSY_LOOP',
  'RESERVED_TYPE',
  'APPLICATION_NOT_ALLOWED',
  'TOO_LARGE',
] as const;
/** What is worth a look and stops nothing. */
export const WARNING_CODES = ['UNREACHABLE_STEP', 'NO_END', 'TEXT_NEEDS_SPEECH'] as const;

/** One finding of a validation; `path` is a JSON pointer (RFC 6901) into the document. */
export interface Issue {
  readonly code: string;
  readonly path: string;
  readonly message: string;
}

/** Answer of a validation. */
export interface Validation {
  readonly valid: boolean;
  readonly errors: readonly Issue[];
  readonly warnings: readonly Issue[];
}

/** A JSON pointer of its tokens. */
export function pointer(tokens: readonly (string | number)[]): string {
  return tokens.map((token) => `/${String(token).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Collects findings; the same one is kept once. */
export class Issues {
  readonly #found = new Map<string, Issue & { readonly isError: boolean }>();

  error(code: (typeof ERROR_CODES)[number], tokens: readonly (string | number)[], message: string): void {
    this.#add(true, code, tokens, message);
  }

  warning(code: (typeof WARNING_CODES)[number], tokens: readonly (string | number)[], message: string): void {
    this.#add(false, code, tokens, message);
  }

  #add(isError: boolean, code: string, tokens: readonly (string | number)[], message: string): void {
    const path = pointer(tokens);
    this.#found.set(`${code} ${path} ${message}`, { code, path, message, isError });
  }

  /** Findings so far, errors and warnings apart, by path and code. */
  result(): Validation {
    const all = [...this.#found.values()].sort(
      (a, b) => order(a.path, b.path) || order(a.code, b.code) || order(a.message, b.message),
    );
    const pick = (isError: boolean): readonly Issue[] =>
      all.filter((issue) => issue.isError === isError).map(({ code, path, message }) => ({ code, path, message }));
    const errors = pick(true);
    return { valid: errors.length === 0, errors, warnings: pick(false) };
  }
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
