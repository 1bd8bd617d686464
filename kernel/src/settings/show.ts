import type { VariableSet } from './read.ts';

/** What was understood, one `NAME=value` a line in the order of the variables; secrets are masked. */
export function printConfig(variables: VariableSet, values: { readonly [name: string]: unknown }): string {
  return Object.entries(variables)
    .map(([name, variable]) => `${name}=${shown(values[name], variable.isSecret)}`)
    .join('\n');
}

/** The settings of a mode as `--help` lists them. */
export function describeVariables(variables: VariableSet): string {
  const width = Math.max(...Object.keys(variables).map((name) => name.length));
  return Object.entries(variables)
    .map(([name, variable]) => {
      const fallback = variable.isRequired
        ? 'required'
        : `default: ${shown(variable.fallback, variable.isSecret) || 'none'}`;
      return `  ${name.padEnd(width)}  ${[variable.help, `(${fallback})`].filter(Boolean).join(' ')}`;
    })
    .join('\n');
}

function shown(value: unknown, isSecret: boolean): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.map((item) => shown(item, isSecret)).join(',');
  return isSecret ? '***' : String(value);
}
