import { parseArgs } from 'node:util';

/** What `npm run call` was asked for. */
export interface CallOptions {
  readonly host: string;
  readonly port: number;
  readonly org: string | undefined;
  readonly campaign: string | undefined;
  readonly keys: string;
  readonly args: readonly string[];
  readonly caller: string | undefined;
  readonly callerName: string | undefined;
  readonly calls: number;
  readonly concurrency: number;
  readonly hangupAfterMs: number | undefined;
  readonly timeoutMs: number;
  readonly realtime: boolean;
  readonly json: boolean;
}

export const HELP = `Places calls as Asterisk would, and shows what the node says.

  npm run call -- --org abc --campaign 123 [--keys "1#"] [--realtime]
  npm run call -- --org abc --campaign 123 --calls 1000 --concurrency 100

  --org ID, --campaign ID     whose call it is
  --host H, --port P          where the node listens (localhost, 4573)
  --keys "1#"                 keys that the caller presses, in order
  --arg NAME=VALUE            another argument of the dialplan line; lead.NAME=VALUE for the lead; repeatable
  --caller N, --caller-name T who calls (3125550100)
  --hangup-after S            the caller hangs up after S seconds
  --calls N, --concurrency C  many calls, C at a time (1, 1): shows rates and percentiles instead of the dialogue
  --realtime                  sounds, pauses and waiting for keys take their time
  --timeout S                 how long the node may take for one command (30)
  --json                      machine-readable: one object a call, then a summary

Exit status: 0 when every call was taken, 1 when one was not, 2 for options that cannot be understood.`;

/** @throws Error with a message for people */
export function readOptions(argv: readonly string[]): CallOptions | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      ...{
        org: text,
        campaign: text,
        host: text,
        port: text,
        keys: text,
        caller: text,
        'caller-name': text,
        calls: text,
        concurrency: text,
      },
      ...{
        'hangup-after': text,
        timeout: text,
        arg: { type: 'string', multiple: true, default: [] },
        realtime: flag,
        json: flag,
        help: { ...flag, short: 'h' },
      },
    },
  });
  if (values.help) return 'help';
  const keys = values.keys ?? '';
  if (!/^[0-9*#]*$/.test(keys)) throw new Error(`--keys "${keys}": keys are 0 to 9, * and #`);
  const number = (
    name: 'port' | 'calls' | 'concurrency' | 'hangup-after' | 'timeout',
    fallback: number,
    most: number,
  ): number => {
    const given = values[name];
    const value = given === undefined ? fallback : Number(given);
    if (!(value > 0 && value <= most)) throw new Error(`--${name} "${given}": a number above 0, at most ${most}`);
    return value;
  };
  return {
    host: values.host ?? 'localhost',
    port: number('port', 4573, 65_535),
    org: values.org,
    campaign: values.campaign,
    keys,
    args: values.arg,
    caller: values.caller,
    callerName: values['caller-name'],
    calls: Math.floor(number('calls', 1, 10_000_000)),
    concurrency: Math.floor(number('concurrency', 1, 20_000)),
    hangupAfterMs: values['hangup-after'] === undefined ? undefined : number('hangup-after', 1, 86_400) * 1000,
    timeoutMs: number('timeout', 30, 86_400) * 1000,
    realtime: values.realtime,
    json: values.json,
  };
}
