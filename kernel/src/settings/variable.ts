import { isIP } from 'node:net';
import { parseCidr } from '../cidr.ts';

/** One setting: how its text is understood, what it is without one, and what people are told about it. */
export interface Variable<T> {
  /** @throws Error whose message completes "NAME should be …" */
  readonly parse: (text: string) => NonNullable<T>;
  readonly fallback: NonNullable<T> | undefined;
  readonly isRequired: boolean;
  readonly isSecret: boolean;
  readonly help: string;
  /** Without a value the process does not start. */
  required(): Variable<NonNullable<T>>;
  /** Says what the setting is for, in `--help`. */
  about(help: string): Variable<T>;
}

/** The values that a set of variables reads to. */
export type Values<V> = { readonly [K in keyof V]: V[K] extends Variable<infer T> ? T : never };

type Variables<T> = { (): Variable<T | undefined>; (fallback: T): Variable<T> };

interface Traits<T> {
  readonly parse: (text: string) => NonNullable<T>;
  readonly fallback?: NonNullable<T> | undefined;
  readonly isRequired?: boolean;
  readonly isSecret?: boolean;
  readonly help?: string;
}

function variable<T>(traits: Traits<T>): Variable<T> {
  return {
    parse: traits.parse,
    fallback: traits.fallback,
    isRequired: traits.isRequired ?? false,
    isSecret: traits.isSecret ?? false,
    help: traits.help ?? '',
    required: () => variable<NonNullable<T>>({ ...traits, isRequired: true }),
    about: (help) => variable<T>({ ...traits, help }),
  };
}

/** A kind of setting that is made with or without a default. */
function kind<T>(parse: (text: string) => NonNullable<T>): Variables<T> {
  return (fallback?: T) => variable<T>({ parse, fallback: fallback ?? undefined });
}

/** Any text. */
export const text: Variables<string> = kind<string>((value) => value);

/** A TCP port, 1 to 65535; 0 asks the system for a free one. */
export const port: Variables<number> = kind<number>((value) =>
  wholeNumber(value, 0, 65535, 'a port number from 1 to 65535'),
);

/** An `http` or `https` address without a trailing slash. */
export const url: Variables<string> = kind<string>((value) => {
  const parsed = URL.canParse(value) ? new URL(value) : undefined;
  if (!parsed || !/^https?:$/.test(parsed.protocol)) throw new Error('an address such as http://master.example:4000');
  if (parsed.username || parsed.password) throw new Error('an address without a user name or password in it');
  return value.replace(/\/+$/, '');
});

/** `true` or `false`. */
export const flag: Variables<boolean> = kind<boolean>((value) => {
  if (/^(true|1|yes|on)$/i.test(value)) return true;
  if (/^(false|0|no|off)$/i.test(value)) return false;
  throw new Error('true or false');
});

/** An e-mail address. */
export const email: Variables<string> = kind<string>((value) => {
  if (!/^[^\s@]{1,64}@[^\s@]{1,190}$/.test(value)) throw new Error('an e-mail address such as admin@example.com');
  return value;
});

/** `host:port`, as in `203.0.113.7:4573` or `[2001:db8::7]:4573`. */
export const hostPort: Variables<string> = kind<string>((value) => {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(value);
  const bracketed = match?.[1];
  if (!match || (bracketed && isIP(bracketed) !== 6) || Number(match[3]) > 65535) {
    throw new Error('a host and a port, such as 203.0.113.7:4573');
  }
  return value;
});

/** Text of a secret: masked wherever settings are shown. At least `minLength` characters. */
export function secret(options: { readonly minLength?: number } = {}): Variable<string | undefined> {
  const minLength = options.minLength ?? 1;
  const parse = (value: string): string => {
    if (value.length < minLength) throw new Error(`a secret of at least ${minLength} characters`);
    return value;
  };
  return variable<string | undefined>({ parse, isSecret: true });
}

/** A whole number within bounds. */
export function integer(options: {
  readonly min: number;
  readonly max: number;
  readonly default: number;
}): Variable<number> {
  const { min, max } = options;
  const parse = (value: string): number => wholeNumber(value, min, max, `a whole number from ${min} to ${max}`);
  return variable<number>({ parse, fallback: options.default });
}

/** One of a few words. */
export function oneOf<const T extends string>(words: readonly T[], fallback: T): Variable<T> {
  const parse = (value: string): NonNullable<T> => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw new Error(`one of ${words.join(', ')}`);
    return found as NonNullable<T>;
  };
  return variable<T>({ parse, fallback: fallback as NonNullable<T> });
}

/** Comma-separated words; none by default. `parseItem` may refuse one. */
export function list(parseItem: (item: string) => string = (item) => item): Variable<readonly string[]> {
  const parse = (value: string): readonly string[] =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map(parseItem);
  return variable<readonly string[]>({ parse, fallback: [] });
}

/** Comma-separated secrets, masked wherever settings are shown. */
export function secrets(parseItem: (item: string) => string): Variable<readonly string[]> {
  const { parse } = list(parseItem);
  return variable<readonly string[]>({ parse, fallback: [], isSecret: true });
}

/** Comma-separated CIDR blocks or addresses; none by default. */
export function cidrs(): Variable<readonly string[]> {
  return list((item) => {
    if (!parseCidr(item)) throw new Error(`CIDR blocks such as 10.0.0.0/8 or 2001:db8::/32; "${item}" is none`);
    return item;
  });
}

function wholeNumber(value: string, min: number, max: number, what: string): number {
  const parsed = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (!(parsed >= min && parsed <= max)) throw new Error(what);
  return parsed;
}
