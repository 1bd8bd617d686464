import type { FieldCompiler, StepRun } from './definition.ts';

/** Channel variables whose values are printed when they are written. */
export function compileChannelVariables(
  variables: { readonly [name: string]: string },
  fields: FieldCompiler,
  field: string,
): (run: StepRun) => readonly { readonly name: string; readonly value: string }[] {
  const prepared = Object.entries(variables).map(([name, text]) => ({
    name,
    print: fields.template(text, field, name),
  }));
  return (run) => prepared.map(({ name, print }) => ({ name, value: print(run.scope) }));
}
