import type { WebhookAction } from '@voiceoi/contracts';
import type { Heard } from '../heard.ts';
import { bounded, comesBack, type Dialect, dialTarget, keysOf, leadOf, platformMisfit } from './dialect.ts';
import { spoken, spokenDigits } from './spoken.ts';
import { element, text } from './xml.ts';

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>';

/** Twilio voice webhooks: forms in, TwiML out (https://www.twilio.com/docs/voice/twiml). The state travels in the addresses of `action`. */
export const twiml: Dialect = {
  name: 'twiml',
  accepts: 'application/x-www-form-urlencoded',
  answers: 'text/xml',
  read: (body, query) => {
    const form = new URLSearchParams(body);
    const state = query.get('state');
    const sid = bounded(form.get('CallSid'));
    if (sid === '') return { errors: [{ path: 'CallSid', message: 'is missing' }] };
    // Whom a script calls the caller is whoever is on the line: of a call that the platform placed, the one that it called.
    const isOutbound = form.get('Direction')?.startsWith('outbound') ?? false;
    const [number, dnid] = [bounded(form.get('From')), bounded(form.get('To'))];
    const heard = heardIn(form, state !== null);
    return {
      heard,
      isNews: query.has('status') && heard.event !== 'hangup',
      ...(state !== null && { state }),
      sid,
      caller: { number: isOutbound ? dnid : number, name: bounded(form.get('CallerName')) },
      dnid: isOutbound ? number : dnid,
      lead: leadOf(query),
    };
  },
  misfit: platformMisfit,
  write: ({ actions, end }, next) => {
    const verbs = actions.map((action) => verbOf(action, next));
    const goOn = end || comesBack(actions.at(-1)) ? [] : [redirect(next)];
    // Twilio asks for nothing when a recording is empty, and goes on in the document.
    const empty = actions.at(-1)?.type === 'record' ? [redirect(next)] : [];
    return `${HEAD}${element('Response', {}, ...verbs, ...goOn, ...empty)}`;
  },
  nothing: `${HEAD}<Response/>`,
};

const ENDED: ReadonlySet<string> = new Set(['completed', 'busy', 'failed', 'no-answer', 'canceled']);
const DIALLED: ReadonlyMap<string, NonNullable<Heard['dial_status']>> = new Map([
  ['completed', 'answered'],
  ['answered', 'answered'],
  ['busy', 'busy'],
  ['no-answer', 'no_answer'],
]);

function heardIn(form: URLSearchParams, hasState: boolean): Heard {
  const isOver = ENDED.has(form.get('CallStatus') ?? '');
  const recording = recordingIn(form);
  const dialled = form.get('DialCallStatus');
  const speech = form.get('SpeechResult');
  return {
    event: isOver ? 'hangup' : hasState ? 'input' : 'start',
    ...(form.has('Digits') && recording === undefined && { digits: keysOf(form.get('Digits')) }),
    ...(speech !== null && { speech: speech.slice(0, 4096) }),
    ...(recording && { recording }),
    ...(dialled !== null && { dial_status: DIALLED.get(dialled) ?? 'failed' }),
  };
}

/** `Digits` of a recording is the key that ended it, or `hangup`. */
function recordingIn(form: URLSearchParams): Heard['recording'] {
  const file = form.get('RecordingUrl');
  if (!file || form.has('DialCallStatus')) return undefined;
  const digits = form.get('Digits') ?? '';
  const digit = keysOf(digits).charAt(0);
  return {
    file: file.slice(0, 1024),
    duration_ms: recordedMs(form.get('RecordingDuration') ?? ''),
    ...(digits === 'hangup' && { ended_by: 'hangup' as const }),
    ...(digit !== '' && { digit }),
  };
}

/** Whole seconds, as Twilio tells them. */
function recordedMs(seconds: string): number {
  return /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : 0;
}

const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));
const redirect = (next: string): string => element('Redirect', { method: 'POST' }, text(next));

function verbOf(action: WebhookAction, next: string): string {
  switch (action.type) {
    case 'answer':
    case 'set':
    case 'transfer':
      return '';
    case 'play':
    case 'say':
      return action.interrupt_digits === undefined ? sound(action) : interruptible(sound(action), next);
    case 'gather':
      return gather(action, next);
    case 'record':
      return record(action, next);
    case 'wait':
      return element('Pause', { length: seconds(action.ms) });
    case 'dial':
      return dial(action, next);
    case 'hangup':
      return element('Hangup', {});
    default:
      return action satisfies never;
  }
}

type Prompt = Extract<WebhookAction, { type: 'play' }>['prompt'];

function sound(action: Extract<WebhookAction, { type: 'play' | 'say' }>): string {
  return action.type === 'say' ? element('Say', {}, text(spoken(action))) : prompt(action.prompt);
}

function prompt(of: Prompt): string {
  if ('sound' in of) return element('Play', {}, text(of.sound));
  if ('digits' in of) return element('Say', {}, text(spokenDigits(of.digits)));
  const { voice, language } = of;
  return element('Say', { ...(voice && { voice }), ...(language && { language }) }, text(of.text));
}

/** Asks the node in any case: without `actionOnEmptyResult` a caller who does nothing is not told of. */
const asking = (next: string) => ({ action: next, method: 'POST', actionOnEmptyResult: true });

function interruptible(content: string, next: string): string {
  return element('Gather', { input: 'dtmf', numDigits: 1, finishOnKey: '', timeout: 1, ...asking(next) }, content);
}

function gather(action: Extract<WebhookAction, { type: 'gather' }>, next: string): string {
  const takesSpeech = action.input.includes('speech');
  const attributes = {
    input: takesSpeech ? 'dtmf speech' : 'dtmf',
    numDigits: action.max_digits,
    finishOnKey: action.terminator,
    timeout: seconds(action.timeout_ms),
    ...(takesSpeech && { speechTimeout: 'auto' }),
    ...asking(next),
  };
  return element('Gather', attributes, ...action.prompts.map(prompt));
}

function record(action: Extract<WebhookAction, { type: 'record' }>, next: string): string {
  return element('Record', {
    action: next,
    method: 'POST',
    maxLength: Math.max(2, action.max_seconds),
    timeout: action.silence_seconds > 0 ? action.silence_seconds : action.max_seconds,
    finishOnKey: action.stop_digits,
    playBeep: action.beep,
    trim: 'do-not-trim',
  });
}

function dial({ to, timeout_seconds }: Extract<WebhookAction, { type: 'dial' }>, next: string): string {
  const target = dialTarget(to);
  const noun = target && 'sip' in target ? element('Sip', {}, text(target.sip)) : element('Number', {}, text(to));
  return element('Dial', { action: next, method: 'POST', timeout: timeout_seconds }, noun);
}
