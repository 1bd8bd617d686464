/** Exit code of a process whose settings are wrong (`EX_CONFIG` of sysexits.h). */
export const EXIT_SETTINGS = 78;

/** One setting that is wrong: `message` completes "NAME ". */
export interface SettingsProblem {
  readonly name: string;
  readonly message: string;
}

/** A problem of one setting. */
export function settingsProblem(name: string, message: string): SettingsProblem {
  return { name, message };
}

/** Thrown before a process has begun its work, with every problem found. Identify it by `code`. */
export class SettingsError extends Error {
  readonly code = 'SETTINGS';
  readonly problems: readonly SettingsProblem[];

  constructor(problems: readonly SettingsProblem[]) {
    super(describeProblems(problems));
    this.name = 'SettingsError';
    this.problems = problems;
  }
}

/** All problems as people read them, one a line. */
export function describeProblems(problems: readonly SettingsProblem[]): string {
  const lines = problems.map(({ name, message }) => `  ${name} ${message}`);
  const count =
    problems.length === 1 ? 'One setting has to be put right' : `${problems.length} settings have to be put right`;
  return [`${count}:`, ...lines].join('\n');
}

/** The problems that an error stands for, or undefined when it is something else. */
export function problemsOf(error: unknown): readonly SettingsProblem[] | undefined {
  return error instanceof SettingsError ? error.problems : undefined;
}
