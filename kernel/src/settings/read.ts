import { readFileSync } from 'node:fs';
import { SettingsError, type SettingsProblem, settingsProblem } from './problem.ts';
import type { Values, Variable } from './variable.ts';

/** A named set of variables: what one mode of the process can be told. */
export type VariableSet = { readonly [name: string]: Variable<unknown> };

/** Where settings come from: words after the command, and the environment. Words win. */
export interface SettingsSource {
  readonly argv: readonly string[];
  readonly env: { readonly [name: string]: string | undefined };
}

/** What was found for one variable before it is parsed. */
type Found = { readonly text: string } | { readonly problem: string } | undefined;

/** Names that every process knows beside its own variables. */
const ALWAYS_KNOWN = ['SERVICE_MODE'];

/**
 * Reads settings: `KEY=VALUE` words win over the environment, `KEY_FILE` names a file that holds the value (its last
 * line break is not part of it), an empty value counts as none.
 * @throws SettingsError with every problem at once
 */
export function readSettings<V extends VariableSet>(variables: V, source: SettingsSource): Values<V> {
  const { values, problems } = collectSettings(variables, source);
  if (problems.length > 0) throw new SettingsError(problems);
  return values as Values<V>;
}

/** Reads settings as `readSettings` does, but gives what is good beside what is not. */
export function collectSettings<V extends VariableSet>(
  variables: V,
  source: SettingsSource,
): { readonly values: Partial<Values<V>>; readonly problems: readonly SettingsProblem[] } {
  const problems: SettingsProblem[] = [];
  const words = readWords(source.argv, variables, problems);
  const values: { [name: string]: unknown } = {};
  for (const [name, variable] of Object.entries(variables)) {
    values[name] = readOne(name, variable, lookUp(name, [words, source.env]), problems);
  }
  return { values: values as Partial<Values<V>>, problems };
}

function readOne(name: string, variable: Variable<unknown>, found: Found, problems: SettingsProblem[]): unknown {
  if (found === undefined) {
    if (variable.isRequired && variable.fallback === undefined) {
      problems.push(settingsProblem(name, `is not set${variable.help ? `: ${variable.help}` : ''}`));
    }
    return variable.fallback;
  }
  if ('problem' in found) {
    problems.push(settingsProblem(name, found.problem));
    return undefined;
  }
  try {
    return variable.parse(found.text);
  } catch (error) {
    const should = error instanceof Error ? error.message : 'something else';
    const given = variable.isSecret ? '' : `; it is "${found.text.slice(0, 200)}"`;
    problems.push(settingsProblem(name, `should be ${should}${given}`));
    return undefined;
  }
}

type Layer = { readonly [name: string]: string | undefined };

function lookUp(name: string, layers: readonly Layer[]): Found {
  for (const layer of layers) {
    const value = layer[name] || undefined;
    const file = layer[`${name}_FILE`] || undefined;
    if (value !== undefined && file !== undefined) return { problem: `is given twice: as ${name} and as ${name}_FILE` };
    if (value !== undefined) return { text: value };
    if (file !== undefined) return readValueFile(`${name}_FILE`, file);
  }
  return undefined;
}

function readValueFile(name: string, path: string): Found {
  try {
    const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    return text === '' ? { problem: `is empty: the file that ${name} names, ${path}, has nothing in it` } : { text };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    return { problem: `cannot be read: ${name} names ${path} (${code})` };
  }
}

function readWords(argv: readonly string[], variables: VariableSet, problems: SettingsProblem[]): Layer {
  const words: { [name: string]: string } = Object.create(null);
  for (const word of argv) {
    const match = /^([A-Z][A-Z0-9_]*)=([\s\S]*)$/.exec(word);
    const name = match?.[1];
    if (name === undefined)
      problems.push(settingsProblem(`"${word}"`, 'is not understood: settings are written KEY=VALUE'));
    else if (isKnown(name, variables)) words[name] = match?.[2] ?? '';
    else problems.push(settingsProblem(name, `is not a setting of this process${suggestion(name, variables)}`));
  }
  return words;
}

function isKnown(name: string, variables: VariableSet): boolean {
  const base = name.replace(/_FILE$/, '');
  return name in variables || base in variables || ALWAYS_KNOWN.includes(name) || name.startsWith('OTEL_');
}

function suggestion(name: string, variables: VariableSet): string {
  const near = Object.keys(variables).find((candidate) => differsLittle(name, candidate));
  return near ? `; did you mean ${near}?` : '';
}

/** One letter too many, too few, wrong, or two swapped. */
function differsLittle(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  return Math.max(a.length, b.length) - start - end <= 2;
}
