import type { IncomingCall } from '../calls/index.ts';
import type { AgiEnvironment } from './environment.ts';

/** The call that an environment describes, or why it is none of ours. */
export type CallRequest = { readonly call: IncomingCall } | { readonly refused: string };

/**
 * Understands an environment: path `/agi` (absent is the same), `campaign_id`, `org_id` and further `name=value` from the query string
 * and the arguments. Arguments win over the query, the last of a name over the others; `lead.<name>` goes to the lead.
 */
export function readCallRequest({ variables, arguments: words }: AgiEnvironment, acceptedAt: number): CallRequest {
  const {
    network,
    network_script = '',
    channel = '',
    language = '',
    uniqueid = '',
    context = '',
    extension = '',
  } = variables;
  if (network === undefined && channel === '') return { refused: 'this is no AGI environment' };
  const [path, query] = splitOnce(network_script, '?');
  if (!/^(\/?agi\/?|\/?)$/.test(path.trim())) return { refused: `path "${path.slice(0, 64)}" is not /agi` };
  const { org_id, campaign_id, args, lead } = readNames(query, words);
  const name = known(variables.calleridname);
  return {
    call: {
      ...(org_id && { org_id }),
      ...(campaign_id && { campaign_id }),
      args,
      lead: isEmpty(lead) ? vicidialLead(name, lead) : lead,
      caller: { number: known(variables.callerid), name },
      channel,
      unique_id: uniqueid,
      dnid: known(variables.dnid),
      context,
      extension,
      language,
      accepted_at: acceptedAt,
    },
  };
}

/** Asterisk says `unknown` where it knows nothing. */
function known(value: string | undefined): string {
  return value === undefined || value === 'unknown' ? '' : value;
}

/** A dictionary without a prototype: `__proto__` is a name like any other in it. */
type Names = { [name: string]: string };

interface RequestNames {
  org_id: string;
  campaign_id: string;
  readonly args: Names;
  readonly lead: Names;
}

function readNames(query: string | undefined, words: readonly string[]): RequestNames {
  const names: RequestNames = { org_id: '', campaign_id: '', args: Object.create(null), lead: Object.create(null) };
  for (const pair of query?.split('&') ?? []) {
    const [name, value] = splitOnce(pair, '=');
    if (value !== undefined) take(names, percentDecoded(name), percentDecoded(value));
  }
  for (const word of words) {
    const [name, value] = splitOnce(word, '=');
    if (value !== undefined) take(names, name.trim(), value.trim());
  }
  return names;
}

const LEAD = 'lead.';

function take(names: RequestNames, name: string, value: string): void {
  if (name === 'org_id') names.org_id = value.trim();
  else if (name === 'campaign_id') names.campaign_id = value.trim();
  else if (!name.startsWith(LEAD)) set(names.args, name, value);
  else set(names.lead, name.slice(LEAD.length), value);
}

/** Longest name that goes along with a call; a value is as long as a line of the environment. */
const LONGEST_NAME = 128;

function set(names: Names, name: string, value: string): void {
  if (name !== '' && name.length <= LONGEST_NAME) names[name] = value;
}

/** Asterisk passes a query on raw, and a `+` in it is a plus (a telephone number's). What is no escape stays as it is. */
function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

/** VICIdial's caller name: a letter, nine or ten digits of time, and the lead's id, filled up with zeros to ten. */
const VICIDIAL_CALL_ID = /^[VMYJ]\d{9,10}?(\d{10})$/;

function vicidialLead(callerName: string, lead: Names): Names {
  const id = Number(VICIDIAL_CALL_ID.exec(callerName)?.[1] ?? 0);
  if (id > 0) lead['id'] = String(id);
  return lead;
}

function isEmpty(names: Names): boolean {
  for (const _ in names) return false;
  return true;
}

function splitOnce(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
