import { describeProblems, EXIT_SETTINGS, type SettingsProblem } from './problem.ts';
import { collectSettings, type SettingsSource, type VariableSet } from './read.ts';
import { describeVariables, printConfig } from './show.ts';
import type { Values } from './variable.ts';

/** What the command line asks for: to run, or to print something and end. */
export type CommandLine<V> =
  | { readonly kind: 'run'; readonly values: Values<V> }
  | { readonly kind: 'exit'; readonly code: number; readonly stdout?: string; readonly stderr?: string };

const FLAGS: readonly string[] = ['--help', '-h', '--print-config'];

interface Options<V extends VariableSet> extends SettingsSource {
  /** First lines of `--help`: what this process is and how it is started. */
  readonly usage: string;
  readonly variables: V;
  /** What can only be found out by trying: ports, folders. Sees the values that are good; reported with the others. */
  readonly check?: (values: Partial<Values<V>>) => Promise<readonly SettingsProblem[]>;
}

/** Understands a process's command line: settings, `--help`, `--print-config`. Never throws for what people typed. */
export async function readCommandLine<V extends VariableSet>(options: Options<V>): Promise<CommandLine<V>> {
  const asked = (...words: readonly string[]): boolean => options.argv.some((word) => words.includes(word));
  const argv = options.argv.filter((word) => !FLAGS.includes(word));
  if (asked('--help', '-h')) {
    return {
      kind: 'exit',
      code: 0,
      stdout: `${options.usage}\n\nSettings, as KEY=VALUE words or in the environment; KEY_FILE names a file that holds the value:\n${describeVariables(options.variables)}`,
    };
  }
  const { values, problems } = collectSettings(options.variables, { argv, env: options.env });
  if (asked('--print-config') && problems.length === 0) {
    return { kind: 'exit', code: 0, stdout: printConfig(options.variables, values) };
  }
  const found = asked('--print-config') ? [] : ((await options.check?.(values)) ?? []);
  const all = [...problems, ...found];
  return all.length === 0 ? { kind: 'run', values: values as Values<V> } : refused(all);
}

function refused(problems: readonly SettingsProblem[]): { kind: 'exit'; code: number; stderr: string } {
  return { kind: 'exit', code: EXIT_SETTINGS, stderr: describeProblems(problems) };
}

/** Says what a process has to say that is not going to run, and leaves its exit code. */
export function sayAndEnd({ code, stdout, stderr }: Extract<CommandLine<unknown>, { kind: 'exit' }>): void {
  if (stdout) console.log(stdout);
  if (stderr) console.error(stderr);
  process.exitCode = code;
}
