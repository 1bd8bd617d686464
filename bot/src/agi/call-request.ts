import type { IncomingCall } from '../calls/index.ts';
import type { AgiEnvironment } from './environment.ts';

/** The call that an environment describes, or why it is none of ours. */
export type CallRequest = { readonly call: IncomingCall } | { readonly refused: string };

/**
 * Understands an environment: path `/agi` (absent is the same), `campaign_id`, `org_id` and further `name=value` from the query string
 * and the arguments. Arguments win over the query, the last of a name over the others; `lead.<name>` goes to the lead.
 */
export function readCallRequest({ variables, arguments: words }: AgiEnvironment, acceptedAt: number): CallRequest {
  const get = (name: string): string => variables.get(name) ?? '';
  const [path = '', query = ''] = splitOnce(get('network_script'), '?');
  if (!/^\/?(agi)?\/?$/.test(path.trim())) return { refused: `path "${path.slice(0, 64)}" is not /agi` };
  const values = new Map([...queryPairs(query), ...words.flatMap(pair)]);
  const orgId = values.get('org_id');
  const campaignId = values.get('campaign_id');
  const name = known(get('calleridname'));
  return {
    call: {
      ...(orgId && { org_id: orgId }),
      ...(campaignId && { campaign_id: campaignId }),
      args: namesOf(values, (key) =>
        key === 'org_id' || key === 'campaign_id' || key.startsWith('lead.') ? undefined : key,
      ),
      lead: leadOf(values, name),
      caller: { number: known(get('callerid')), name },
      channel: get('channel'),
      unique_id: get('uniqueid'),
      dnid: known(get('dnid')),
      context: get('context'),
      extension: get('extension'),
      language: get('language'),
      accepted_at: acceptedAt,
    },
  };
}

/** Asterisk says `unknown` where it knows nothing. */
function known(value: string): string {
  return value === 'unknown' ? '' : value;
}

/** Longest value that goes along with a call. */
const LONGEST_VALUE = 4096;

function pair(text: string): [string, string][] {
  const [name = '', value] = splitOnce(text, '=');
  const trimmed = name.trim();
  if (value === undefined || trimmed === '' || trimmed.length > 128) return [];
  return [[trimmed, value.trim().slice(0, LONGEST_VALUE)]];
}

function queryPairs(query: string): [string, string][] {
  return query
    .split('&')
    .flatMap(pair)
    .map(([name, value]) => [percentDecoded(name), percentDecoded(value)]);
}

/** `%41` and nothing else: Asterisk passes a query on raw, and a `+` in it is a plus. What is no escape stays as it is. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Pairs as an object without a prototype's names: `__proto__` is a name like any other. */
function namesOf(
  values: ReadonlyMap<string, string>,
  rename: (key: string) => string | undefined,
): { readonly [name: string]: string } {
  const named: { [name: string]: string } = Object.create(null);
  for (const [key, value] of values) {
    const name = rename(key);
    if (name) named[name] = value;
  }
  return named;
}

/** VICIdial's caller name: a letter, nine or ten digits of time, and the lead's id in ten (facts of AST_VDauto_dial). */
const VICIDIAL_CALL_ID = /^[VMYJ]\d{9}(\d{10})$|^[VMYJ]\d{10}(\d{9,10})$/;

function leadOf(values: ReadonlyMap<string, string>, callerName: string): { readonly [name: string]: string } {
  const given = namesOf(values, (key) => (key.startsWith('lead.') ? key.slice(5) : undefined));
  if (Object.keys(given).length > 0) return given;
  const id = VICIDIAL_CALL_ID.test(callerName) ? String(Number(callerName.slice(10, 20))) : undefined;
  return id && id !== '0' ? { id } : given;
}

function splitOnce(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
