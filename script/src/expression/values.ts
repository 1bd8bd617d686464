import type { Json, JsonObject } from '@voiceoi/contracts';

/** A value as CEL computes with it: ints are bigints, timestamps are dates. */
export type CelValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | Date
  | readonly CelValue[]
  | { readonly [name: string]: CelValue };

/** Longest text, and most items in all, that a call keeps in one value. */
export const VALUE_LIMITS = { text: 65_536, items: 10_000 } as const;

/** Thrown while a value is computed; the step takes its `error` outcome with the message as the reason. */
export class ValueError extends Error {
  readonly code = 'VALUE';
}

/**
 * A CEL result as JSON that a call's state can hold. Whole numbers are ints; a double that happens to be whole, an int beyond 2^53
 * and a timestamp are tagged (`{"$double": 2}`, `{"$int": "…"}`, `{"$time": "…"}`).
 * @throws ValueError for what has no JSON form (bytes, durations, types) and for more than `VALUE_LIMITS`
 */
export function toState(value: unknown): Json {
  return new StateWriter().write(value);
}

class StateWriter {
  #items = 0;

  write(value: unknown): Json {
    if (++this.#items > VALUE_LIMITS.items) throw new ValueError(`a value of more than ${VALUE_LIMITS.items} items`);
    if (typeof value === 'string') return boundedText(value);
    if (typeof value === 'bigint') return intToState(value);
    if (typeof value === 'number') return doubleToState(value);
    if (value === null || typeof value === 'boolean') return value;
    if (value instanceof Date) return { $time: timestampText(value) };
    if (Array.isArray(value)) return value.map((item) => this.write(item));
    return this.#writeMap(value);
  }

  #writeMap(value: unknown): Json {
    const entries = mapEntries(value);
    if (!entries) throw new ValueError('a value that cannot be kept (bytes, a duration or a type)');
    const written = Object.fromEntries(entries.map(([name, item]) => [name, this.write(item)]));
    return entries.some(([name]) => name.startsWith('$')) ? { $map: written } : written;
  }
}

function mapEntries(value: unknown): readonly (readonly [string, unknown])[] | undefined {
  if (value instanceof Map) return [...value].map(([name, item]) => [String(name), item] as const);
  if (typeof value !== 'object' || value === null) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? Object.entries(value) : undefined;
}

function intToState(value: bigint): Json {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : { $int: value.toString() };
}

function doubleToState(value: number): Json {
  if (!Number.isFinite(value)) throw new ValueError('a number that is not finite');
  return Number.isInteger(value) ? { $double: value === 0 ? 0 : value } : value;
}

function boundedText(value: string): string {
  if (value.length > VALUE_LIMITS.text) throw new ValueError(`a text of more than ${VALUE_LIMITS.text} characters`);
  return value;
}

/** What `toState` wrote, or any JSON from outside, as CEL computes with it. */
export function fromState(value: Json): CelValue {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (value === null || typeof value !== 'object') return value;
  if (isList(value)) return value.map(fromState);
  return fromStateObject(value);
}

function fromStateObject(value: JsonObject): CelValue {
  const { $double, $int, $time, $map } = value;
  if (typeof $double === 'number') return $double;
  if (typeof $int === 'string') return BigInt($int);
  if (typeof $time === 'string') return new Date($time);
  const names = $map !== null && typeof $map === 'object' && !isList($map) ? $map : value;
  return Object.fromEntries(Object.entries(names).map(([name, item]) => [name, fromState(item)]));
}

/** JSON from outside as state: tags that it may hold are kept from being understood. */
export function jsonToState(value: Json): Json {
  return toState(fromOutside(value));
}

/** JSON from outside as CEL computes with it; a tag in it is a name like any other. */
export function fromOutside(value: Json): CelValue {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (value === null || typeof value !== 'object') return value;
  if (isList(value)) return value.map(fromOutside);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fromOutside(item)]));
}

/** A state value as plain JSON, for people: ints and doubles are numbers, timestamps text. */
export function toPlainJson(value: Json): Json {
  return plain(fromState(value));
}

function plain(value: CelValue): Json {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (value instanceof Date) return timestampText(value);
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item as CelValue)]));
}

/** A value as a template prints it: text as it is, timestamps in RFC 3339, lists and maps as JSON, null as nothing. */
export function printValue(value: unknown): string {
  if (typeof value === 'string') return boundedText(value);
  if (value === null) return '';
  if (typeof value === 'bigint' || typeof value === 'boolean' || typeof value === 'number') return String(value);
  if (value instanceof Date) return timestampText(value);
  return boundedText(JSON.stringify(toPlainJson(toState(value))));
}

function timestampText(value: Date): string {
  if (Number.isNaN(value.getTime())) throw new ValueError('a timestamp that is none');
  return value.toISOString();
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
