import type { WebhookAction } from '@voiceoi/contracts';
import type { CallEnd } from '@voiceoi/script';
import type { Heard } from '../heard.ts';

export type DialectName = 'json' | 'twiml' | 'jambonz';

/** What a request of any dialect says. */
export interface Told {
  readonly heard: Heard;
  /** News of a call that goes on (`?status=1`): nothing is asked for. */
  readonly isNews: boolean;
  /** The state of the last answer; absent as a call begins, and where only its end is told. */
  readonly state?: string;
  /** The node's own name of the call, where the dialect carries it. */
  readonly callId?: string;
  /** The other side's name of the call; empty without one. */
  readonly sid: string;
  readonly caller: { readonly number: string; readonly name: string };
  readonly dnid: string;
  readonly lead: { readonly [name: string]: string };
}

/** A request that cannot be understood, with the places that are wrong. */
export interface Misunderstood {
  readonly errors: readonly { readonly path: string; readonly message: string }[];
}

/** What the other side is told, whatever the dialect. */
export interface Answer {
  readonly callId: string;
  /** Empty once the call is over. */
  readonly state: string;
  readonly actions: readonly WebhookAction[];
  readonly end?: CallEnd;
}

/** How one kind of telephone platform speaks over webhooks. Pure. */
export interface Dialect {
  readonly name: DialectName;
  /** Media type of requests. */
  readonly accepts: string;
  /** Media type of answers. */
  readonly answers: string;
  read(body: string, query: URLSearchParams): Told | Misunderstood;
  /** Why this dialect cannot carry out an action; undefined when it can. */
  misfit(action: WebhookAction): string | undefined;
  /** The answer as text; `next` is the address of the next request, which carries the state. */
  write(answer: Answer, next: string): string;
  /** Answer to a request that asks for nothing: news of a call that is over or not known here. */
  readonly nothing: string;
}

/** At most this much of what comes from outside goes into a call. */
export function bounded(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 256) : '';
}

/** A value from outside as an object whose fields can be looked at. */
export function fieldsOf(value: unknown): { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** `lead.<name>=value` of an address. */
export function leadOf(query: URLSearchParams): { readonly [name: string]: string } {
  const entries = [...query].filter(([name]) => /^lead\.[A-Za-z0-9_.-]{1,64}$/.test(name)).slice(0, 64);
  return Object.fromEntries(entries.map(([name, value]) => [name.slice('lead.'.length), value.slice(0, 1024)]));
}

/** Keys of a telephone, and nothing else that a request may bring as such. */
export function keysOf(value: unknown): string {
  return typeof value === 'string' ? value.replace(/[^0-9*#]/g, '').slice(0, 128) : '';
}

/** Whether an action ends what the dialect does by asking the node; behind every other one it has to be told to. */
export function comesBack(action: WebhookAction | undefined): boolean {
  if (!action) return false;
  if (action.type === 'play' || action.type === 'say') return action.interrupt_digits !== undefined;
  return action.type === 'gather' || action.type === 'record' || action.type === 'dial';
}

/** Why a platform that is no Asterisk cannot carry out an action. */
export function platformMisfit(action: WebhookAction): string | undefined {
  switch (action.type) {
    case 'set':
      return 'there are no channel variables';
    case 'transfer':
      return 'there is no dialplan to transfer to';
    case 'dial':
      return dialTarget(action.to) ? undefined : `"${action.to.slice(0, 80)}" is neither a number nor a SIP address`;
    case 'play':
      return promptMisfit(action.prompt);
    case 'gather':
      return action.prompts.map(promptMisfit).find((reason) => reason !== undefined);
    default:
      return undefined;
  }
}

type Prompt = Extract<WebhookAction, { type: 'play' }>['prompt'];

function promptMisfit(prompt: Prompt): string | undefined {
  if (!('sound' in prompt) || /^https?:/.test(prompt.sound)) return undefined;
  return `the sound ${prompt.sound} has no address`;
}

/** What a platform can dial: a number or a SIP address. */
export function dialTarget(to: string): { readonly number: string } | { readonly sip: string } | undefined {
  if (/^\+?[0-9]{2,20}$/.test(to)) return { number: to };
  return /^sips?:[^\s<>"]+$/.test(to) ? { sip: to } : undefined;
}
