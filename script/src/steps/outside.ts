import type { Json } from '@voiceoi/contracts';
import { VALUE_LIMITS, ValueError } from '../expression/index.ts';
import type { StepOf } from '../schema/index.ts';
import type { CompileStep, FieldCompiler, RunnableStep, StepRun } from './definition.ts';

/** Applications that `exec` may run unless the organization says otherwise. */
export const DEFAULT_EXEC_ALLOW: readonly string[] = [
  ...[
    'Playback',
    'Background',
    'Wait',
    'WaitForSilence',
    'MusicOnHold',
    'StartMusicOnHold',
    'StopMusicOnHold',
    'SayDigits',
  ],
  ...[
    'SayNumber',
    'SendDTMF',
    'MixMonitor',
    'StopMixMonitor',
    'Progress',
    'Ringing',
    'NoOp',
    'Verbose',
    'UserEvent',
    'Echo',
  ],
];

/** Whether an application is on a list, whatever its case. */
export function isAllowed(application: string, allowed: readonly string[]): boolean {
  return allowed.some((name) => name.toLowerCase() === application.toLowerCase());
}

export const compileExec: CompileStep<StepOf<'exec'>> = (step, fields): RunnableStep => {
  if (!isAllowed(step.application, fields.execAllow)) {
    fields.problem(
      'APPLICATION_NOT_ALLOWED',
      `${step.application} is not among the applications that scripts of this organization may run (exec_allow)`,
      'application',
    );
  }
  const words = (step.arguments ?? []).map((text, index) => fields.template(text, 'arguments', index));
  return {
    takesFailure: true,
    enter: (run) => {
      if (!isAllowed(step.application, run.context.exec_allow ?? DEFAULT_EXEC_ALLOW)) {
        return { outcome: 'unavailable', reason: `${step.application} is not allowed` };
      }
      return {
        effect: { kind: 'exec', application: step.application, arguments: words.map((print) => print(run.scope)) },
      };
    },
    resume: (_run, result) => {
      if (result.kind === 'unavailable')
        return { outcome: 'unavailable', reason: `${step.application} does not exist on this telephone system` };
      if (result.kind === 'failed') return { outcome: 'failed', reason: result.reason };
      return result.kind === 'done'
        ? { outcome: 'done' }
        : { outcome: 'error', reason: 'no answer of the application' };
    },
  };
};

export const compileAmd: CompileStep<StepOf<'amd'>> = (step): RunnableStep => {
  const given = [
    ...[
      step.initial_silence_ms,
      step.greeting_ms,
      step.after_greeting_silence_ms,
      step.total_analysis_ms,
      step.min_word_length_ms,
    ],
    ...[
      step.between_words_silence_ms,
      step.maximum_number_of_words,
      step.silence_threshold,
      step.maximum_word_length_ms,
    ],
  ];
  const settings = given.map((value) => value ?? null);
  return {
    enter: () => ({ effect: { kind: 'amd', settings } }),
    resume: (_run, result) => ({ outcome: result.kind === 'detected' ? result.result : 'unsure' }),
  };
};

export const compileRecord: CompileStep<StepOf<'record'>> = (step, fields): RunnableStep => {
  const name = fields.template(step.name, 'name');
  const settings = {
    format: step.format ?? 'wav',
    max_seconds: step.max_seconds ?? 60,
    silence_seconds: step.silence_seconds ?? 3,
    beep: step.beep ?? true,
    stop_digits: step.stop_digits ?? '#',
  };
  return {
    enter: (run) => ({ effect: { kind: 'record', name: fileName(name(run.scope)), ...settings } }),
    resume: (run, result) => {
      if (result.kind !== 'recorded') return { outcome: 'error', reason: 'nothing was recorded' };
      const recording = { file: result.file, duration_ms: result.duration_ms, ended_by: result.ended_by };
      run.bring('recording', recording, true);
      if (step.save) run.assign(step.save, { ...recording, duration_ms: BigInt(Math.round(result.duration_ms)) });
      return { outcome: 'done' };
    },
  };
};

/** A recording's name below Asterisk's recordings: what a caller brought in must not lead elsewhere. */
function fileName(text: string): string {
  const name = text.trim();
  if (!/^[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}$/.test(name) || name.includes('..'))
    throw new ValueError(`"${name.slice(0, 80)}" is no file’s name`);
  return name;
}

export const compileWebhook: CompileStep<StepOf<'webhook'>> = (step, fields): RunnableStep => {
  const request = compileRequest(step, fields);
  const saves = Object.entries(step.save ?? {}).map(([name, text]) => ({
    name,
    evaluate: fields.expression(text, 'save', name),
  }));
  return {
    enter: (run) => ({
      effect: { ...request(run), kind: 'http', timeout_ms: step.timeout_ms ?? 2000, retries: step.retries ?? 0 },
    }),
    resume: (run, result) => {
      if (result.kind === 'timeout') return { outcome: 'timeout', reason: 'no answer in time' };
      if (result.kind !== 'response') return { outcome: 'error', reason: 'no answer' };
      run.bring('response', { status: result.status, headers: result.headers, body: boundedBody(result.body) }, false);
      if (result.status < 200 || result.status > 299) return { outcome: 'error', reason: `answered ${result.status}` };
      // All at once, as in a set.
      const results = saves.map(({ name, evaluate }) => ({ name, value: evaluate(run.scope) }));
      for (const { name, value } of results) run.assign(name, value);
      return { outcome: 'ok' };
    },
  };
};

function boundedBody(body: Json): Json {
  if (JSON.stringify(body).length > VALUE_LIMITS.text)
    throw new ValueError(`an answer of more than ${VALUE_LIMITS.text} characters`);
  return body;
}

interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  readonly body?: string;
  readonly masked: {
    readonly url: string;
    readonly headers: { readonly [name: string]: string };
    readonly body?: string;
  };
}

function compileRequest(step: StepOf<'webhook'>, fields: FieldCompiler): (run: StepRun) => HttpRequest {
  const url = fields.secretTemplate(step.url, 'url');
  const headers = Object.entries(step.headers ?? {}).map(([name, text]) => ({
    name,
    ...fields.secretTemplate(text, 'headers', name),
  }));
  const body = step.body === undefined ? undefined : compileJson(step.body as Json, fields, ['body']);
  const method = step.method ?? (body ? 'POST' : 'GET');
  const render = (show: Show) => {
    const printed = Object.fromEntries(headers.map((header) => [header.name, show(header)]));
    return { url: show(url), headers: printed, ...(body && { body: JSON.stringify(body(show)) }) };
  };
  return (run) => ({
    method,
    ...render((template) => openText(template, run)),
    masked: render((template) => maskedText(template, run)),
  });
}

type SecretTemplate = ReturnType<FieldCompiler['secretTemplate']>;
type Show = (template: SecretTemplate) => string;
type RenderJson = (show: Show) => Json;

/** The text with its secrets. What goes wrong is told as it goes wrong with masks in their place: a message may quote part of a value, or its first line. */
function openText(template: SecretTemplate, run: StepRun): string {
  const { print, usesSecret } = template;
  if (!usesSecret) return print(run.scope);
  try {
    return print(run.scope);
  } catch {
    print(run.maskedScope);
    throw new ValueError('a text cannot be computed with the value of its secret');
  }
}

/** What may be logged of a text. What cannot be computed with a mask in the secret’s place is masked as a whole. */
function maskedText({ print, usesSecret }: SecretTemplate, run: StepRun): string {
  if (!usesSecret) return print(run.scope);
  try {
    return print(run.maskedScope);
  } catch {
    return '***';
  }
}

/** A JSON value in which every string is a template. */
function compileJson(value: Json, fields: FieldCompiler, path: readonly (string | number)[]): RenderJson {
  if (typeof value === 'string') {
    const template = fields.secretTemplate(value, ...path);
    return (show) => show(template);
  }
  if (value === null || typeof value !== 'object') return () => value;
  if (Array.isArray(value)) {
    const items = value.map((item: Json, index) => compileJson(item, fields, [...path, index]));
    return (show) => items.map((render) => render(show));
  }
  const entries = Object.entries(value).map(
    ([name, item]) => [name, compileJson(item, fields, [...path, name])] as const,
  );
  return (show) => Object.fromEntries(entries.map(([name, render]) => [name, render(show)]));
}
