import type { Json, JsonObject } from '@voiceoi/contracts';
import { type CelValue, fromState, jsonToState, toState, ValueError } from '../expression/index.ts';
import type { CallContext } from '../protocol.ts';
import type { Variable } from '../schema/index.ts';

type Declared = { readonly [name: string]: Variable };

/** A value for each type when nothing else gives one. */
const EMPTY: { readonly [T in Variable['type']]: Json } = {
  string: '',
  int: 0,
  double: { $double: 0 },
  bool: false,
  list: [],
  map: {},
};

/**
 * Variables as a call starts: each the first of the call's arguments, the lead, the campaign's `variables`, its default, and the empty value of its type.
 * A source whose value is not of the declared type is passed over.
 */
export function initialVariables(declared: Declared, context: CallContext): JsonObject {
  const own = <T>(source: { readonly [name: string]: T }, name: string): T | undefined =>
    Object.hasOwn(source, name) ? source[name] : undefined;
  const entries = Object.entries(declared).map(([name, variable]) => {
    const sources = [
      own(context.facts.args, name),
      own(context.lead, name),
      own(context.variables, name),
      variable.default as Json | undefined,
    ];
    const found = sources
      .map((value) => (value === undefined ? undefined : fit(value, variable.type)))
      .find((value) => value !== undefined);
    return [name, found ?? EMPTY[variable.type]] as const;
  });
  return Object.fromEntries(entries);
}

/** A value from outside as one of a type: text is read as a number or truth where that is meant; undefined when it cannot be. */
function fit(value: Json, type: Variable['type']): Json | undefined {
  if (type === 'int') return fitInt(value);
  if (type === 'double') return fitDouble(value);
  if (type === 'bool') return fitBool(value);
  if (type === 'string') return typeof value === 'string' ? value : scalarText(value);
  const isList = Array.isArray(value);
  const fits = type === 'list' ? isList : typeof value === 'object' && value !== null && !isList;
  return fits ? withinLimits(value) : undefined;
}

/** A list or map as the state keeps it; one that is too large is passed over like one of another type. */
function withinLimits(value: Json): Json | undefined {
  try {
    return jsonToState(value);
  } catch {
    return undefined;
  }
}

function fitInt(value: Json): Json | undefined {
  const number = typeof value === 'string' && /^\s*[+-]?\d{1,15}\s*$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? number : undefined;
}

function fitDouble(value: Json): Json | undefined {
  const number =
    typeof value === 'string' && /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? toState(number) : undefined;
}

function fitBool(value: Json): Json | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') return undefined;
  if (/^(true|yes|1)$/i.test(value.trim())) return true;
  return /^(false|no|0)$/i.test(value.trim()) ? false : undefined;
}

function scalarText(value: Json): string | undefined {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/**
 * What an expression gave, as a variable keeps it. A declared variable keeps its type: an int becomes a double where that is declared, text is
 * read as a number where one is.
 * @throws ValueError when it does not fit
 */
export function assignable(name: string, value: unknown, declared: Declared): Json {
  const type = Object.hasOwn(declared, name) ? declared[name]?.type : undefined;
  const written = toState(value);
  if (type === undefined || hasType(value, type)) return written;
  if (type === 'double' && typeof value === 'bigint') return toState(Number(value));
  const fitted = typeof value === 'string' && type !== 'list' && type !== 'map' ? fit(value, type) : undefined;
  if (fitted === undefined) throw new ValueError(`${name} is a ${type}, and the value is none`);
  return fitted;
}

const TYPE_CHECKS: { readonly [T in Variable['type']]: (value: unknown) => boolean } = {
  string: (value) => typeof value === 'string',
  int: (value) => typeof value === 'bigint',
  double: (value) => typeof value === 'number',
  bool: (value) => typeof value === 'boolean',
  list: (value) => Array.isArray(value),
  map: (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date),
};

function hasType(value: unknown, type: Variable['type']): boolean {
  return TYPE_CHECKS[type](value);
}

/** State values as a map that expressions look into; each is converted when it is first looked at. */
export function lazyMap(values: JsonObject): object {
  const map: object = {};
  for (const name of Object.keys(values)) {
    Object.defineProperty(map, name, {
      enumerable: true,
      configurable: true,
      get(): CelValue {
        const value = fromState(values[name] ?? null);
        Object.defineProperty(map, name, { value, enumerable: true, configurable: true });
        return value;
      },
    });
  }
  return map;
}
