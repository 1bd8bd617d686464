import type { WebhookAction } from '@voiceoi/contracts';
import type { Heard } from '../heard.ts';
import { bounded, comesBack, type Dialect, dialTarget, fieldsOf, keysOf, leadOf, platformMisfit } from './dialect.ts';
import { spoken, spokenDigits } from './spoken.ts';

type Verb = { readonly verb: string; readonly [name: string]: unknown };
type Fields = ReturnType<typeof fieldsOf>;

/** jambonz webhooks: JSON in, a list of verbs out (https://docs.jambonz.org/verbs/verbs/overview). The state travels in the addresses of hooks. */
export const jambonz: Dialect = {
  name: 'jambonz',
  accepts: 'application/json',
  answers: 'application/json',
  read: (body, query) => {
    const fields = parse(body);
    const sid = bounded(fields?.['call_sid']);
    if (!fields || sid === '') return { errors: [{ path: '/call_sid', message: 'is missing' }] };
    const state = query.get('state');
    const isOutbound = fields['direction'] === 'outbound';
    const [number, dnid] = [bounded(fields['from']), bounded(fields['to'])];
    const heard = heardIn(fields, state !== null);
    return {
      heard,
      isNews: query.has('status') && heard.event !== 'hangup',
      ...(state !== null && { state }),
      sid,
      caller: { number: isOutbound ? dnid : number, name: bounded(fields['caller_name']) },
      dnid: isOutbound ? number : dnid,
      lead: leadOf(query),
    };
  },
  misfit: (action) =>
    action.type === 'record' ? 'jambonz has no verb that records a message' : platformMisfit(action),
  write: ({ actions, end }, next) => {
    const verbs = actions.flatMap((action) => verbsOf(action, next));
    const goOn = end || comesBack(actions.at(-1)) ? [] : [{ verb: 'redirect', actionHook: next }];
    return JSON.stringify([...verbs, ...goOn]);
  },
  nothing: '[]',
};

function parse(body: string): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(body));
  } catch {
    return undefined;
  }
}

const ENDED: ReadonlySet<unknown> = new Set(['completed', 'failed', 'busy', 'no-answer']);
const DIALLED: ReadonlyMap<unknown, NonNullable<Heard['dial_status']>> = new Map<
  unknown,
  NonNullable<Heard['dial_status']>
>([
  ['completed', 'answered'],
  ['busy', 'busy'],
  ['no-answer', 'no_answer'],
]);

function heardIn(fields: Fields, hasState: boolean): Heard {
  const isOver = ENDED.has(fields['call_status']);
  const speech = transcriptIn(fields['speech']);
  const dialled = fields['dial_call_status'];
  return {
    event: isOver ? 'hangup' : hasState ? 'input' : 'start',
    ...(fields['digits'] !== undefined && { digits: keysOf(fields['digits']) }),
    ...(speech !== '' && { speech }),
    ...(dialled !== undefined && { dial_status: DIALLED.get(dialled) ?? 'failed' }),
  };
}

function transcriptIn(speech: unknown): string {
  const alternatives = fieldsOf(speech)['alternatives'];
  const [best] = Array.isArray(alternatives) ? alternatives : [];
  const transcript = fieldsOf(best)['transcript'];
  return typeof transcript === 'string' ? transcript.slice(0, 4096) : '';
}

function verbsOf(action: WebhookAction, next: string): readonly Verb[] {
  switch (action.type) {
    case 'answer':
    case 'set':
    case 'transfer':
    case 'record':
      return [];
    case 'play':
    case 'say':
      return action.interrupt_digits === undefined ? [sound(action)] : [interruptible(sound(action), next)];
    case 'gather':
      return gather(action, next);
    case 'wait':
      return [{ verb: 'pause', length: action.ms / 1000 }];
    case 'dial':
      return [{ verb: 'dial', target: [target(action.to)], timeout: action.timeout_seconds, actionHook: next }];
    case 'hangup':
      return [{ verb: 'hangup' }];
    default:
      return action satisfies never;
  }
}

type Prompt = Extract<WebhookAction, { type: 'play' }>['prompt'];

function sound(action: Extract<WebhookAction, { type: 'play' | 'say' }>): Verb {
  return action.type === 'say' ? { verb: 'say', text: spoken(action) } : prompt(action.prompt);
}

function prompt(of: Prompt): Verb {
  if ('sound' in of) return { verb: 'play', url: of.sound };
  if ('digits' in of) return { verb: 'say', text: spokenDigits(of.digits) };
  const { text, voice, language } = of;
  const synthesizer = { vendor: 'default', ...(voice && { voice }), ...(language && { language }) };
  return { verb: 'say', text, ...((voice || language) && { synthesizer }) };
}

/** A `gather` holds one prompt: those before it are verbs of their own, which a key does not end. */
function gather(action: Extract<WebhookAction, { type: 'gather' }>, next: string): readonly Verb[] {
  const prompts = action.prompts.map(prompt);
  const last = prompts.at(-1);
  const collect: Verb = {
    verb: 'gather',
    actionHook: next,
    input: action.input,
    minDigits: action.min_digits,
    maxDigits: action.max_digits,
    ...(action.terminator !== '' && { finishOnKey: action.terminator }),
    timeout: action.timeout_ms / 1000,
    interDigitTimeout: action.inter_digit_timeout_ms / 1000,
    dtmfBargein: true,
    ...(last && nested(last)),
  };
  return [...prompts.slice(0, -1), collect];
}

function interruptible(content: Verb, next: string): Verb {
  const collect = { verb: 'gather', actionHook: next, input: ['digits'], numDigits: 1, timeout: 1, dtmfBargein: true };
  return { ...collect, ...nested(content) };
}

function nested({ verb, ...rest }: Verb): { readonly [verb: string]: unknown } {
  return { [verb]: rest };
}

function target(to: string): { readonly [name: string]: string } {
  const found = dialTarget(to);
  return found && 'sip' in found ? { type: 'sip', sipUri: found.sip } : { type: 'phone', number: to };
}
