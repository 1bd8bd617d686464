import { ValueError } from '../expression/index.ts';
import type { Prompt } from '../protocol.ts';
import type { StepOf } from '../schema/index.ts';
import type { FieldCompiler, StepRun } from './definition.ts';

type PromptField = StepOf<'play'>['prompts'][number];

/** A prompt whose templates are printed when it is needed. */
export type MakePrompt = (run: StepRun) => Prompt;

/** Compiles a list of prompts; warns of text, which needs a voice that VoiceOI does not have yet. */
export function compilePrompts(prompts: readonly PromptField[], fields: FieldCompiler): readonly MakePrompt[] {
  return prompts.map((prompt, index) => compilePrompt(prompt, fields, index));
}

function compilePrompt(prompt: PromptField, fields: FieldCompiler, index: number): MakePrompt {
  if (typeof prompt === 'string') {
    const print = fields.template(prompt, 'prompts', index);
    return (run) => ({ sound: soundName(print(run.scope)) });
  }
  if ('sound' in prompt) {
    const print = fields.template(prompt.sound, 'prompts', index, 'sound');
    return (run) => ({ sound: soundName(print(run.scope)) });
  }
  if ('digits' in prompt) {
    const print = fields.template(prompt.digits, 'prompts', index, 'digits');
    return (run) => ({ digits: keys(print(run.scope)) });
  }
  const print = fields.template(prompt.text, 'prompts', index, 'text');
  fields.warning(
    'TEXT_NEEDS_SPEECH',
    'text needs speech synthesis, which is not there yet: over AGI this step takes its error outcome',
    'prompts',
    index,
    'text',
  );
  const voice = { ...(prompt.voice && { voice: prompt.voice }), ...(prompt.language && { language: prompt.language }) };
  return (run) => ({ text: print(run.scope), ...voice });
}

/** A sound as Asterisk takes it: a name below its sounds folder, or an http address. */
function soundName(text: string): string {
  const name = text.trim();
  if (/^https?:\/\/[^\s"\\]+$/.test(name)) return name;
  if (!/^[A-Za-z0-9_][A-Za-z0-9_./-]*$/.test(name) || name.includes('..'))
    throw new ValueError(`"${name.slice(0, 80)}" is no sound’s name`);
  return name;
}

/** Keys that can be spoken. */
export function keys(text: string): string {
  const digits = text.replace(/[\s-]/g, '');
  if (!/^[0-9*#]{1,128}$/.test(digits))
    throw new ValueError(`"${text.slice(0, 80)}" holds something other than keys of a telephone`);
  return digits;
}
