import { AgentRecord, CallEventRecord, CallRecord, CallStartRecord, type LogRecord } from '@voiceoi/contracts';
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { recordText, storabilityProblem } from './storable.ts';
import { dayOf, type TimeBounds, uuidTime } from './uuid-day.ts';

/** A record that is not taken; `index` is its place in the batch. */
export interface RejectedRecord {
  readonly index: number;
  readonly code: 'BAD_JSON' | 'INVALID' | 'FOREIGN_ORGANIZATION' | 'TOO_OLD' | 'IN_THE_FUTURE';
  readonly message: string;
}

/** A record that was checked, with all that storing it needs. */
export interface StorableRecord {
  /** Its place in the batch. */
  readonly index: number;
  readonly record: LogRecord;
  /** The record as jsonb takes it, without a line break. */
  readonly text: string;
  /** Its partition. */
  readonly day: string;
}

/** A batch, sorted into what is stored and what is not. */
export interface ParsedBatch {
  readonly records: readonly StorableRecord[];
  readonly rejected: readonly RejectedRecord[];
}

const VALIDATORS: ReadonlyMap<string, Validator> = new Map<string, Validator>([
  ['call_start', Compile(CallStartRecord as TSchema)],
  ['call', Compile(CallRecord as TSchema)],
  ['call_event', Compile(CallEventRecord as TSchema)],
  ['agent', Compile(AgentRecord as TSchema)],
]);

/** Lines of NDJSON that hold something. */
export function splitLines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

/** A line as a value; undefined when it is broken. */
export function readLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Checks each record by itself, so that one that is wrong holds nothing back. Undefined stands for what was no JSON. */
export function parseBatch(values: readonly unknown[], orgId: string, bounds: TimeBounds): ParsedBatch {
  const records: StorableRecord[] = [];
  const rejected: RejectedRecord[] = [];
  values.forEach((value, index) => {
    const problem = checkRecord(value, orgId) ?? checkTime(value as LogRecord, bounds);
    if (problem) rejected.push({ index, ...problem });
    else records.push(storable(value as LogRecord, index));
  });
  return { records, rejected };
}

function storable(record: LogRecord, index: number): StorableRecord {
  return { index, record, text: recordText(record), day: dayOf(uuidTime(onceBy(record)) ?? 0) };
}

/** The UUIDv7 that a record is stored once by; one call may come under two ids, from before and after a node was killed. */
export function onceBy(record: LogRecord): string {
  return record.type === 'call' ? record.call_id : record.id;
}

type Problem = Omit<RejectedRecord, 'index'>;

function checkRecord(value: unknown, orgId: string): Problem | undefined {
  if (value === undefined) return { code: 'BAD_JSON', message: 'is no JSON' };
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  const validator = typeof type === 'string' ? VALIDATORS.get(type) : undefined;
  if (!validator) return invalid(`/type has to be one of ${[...VALIDATORS.keys()].join(', ')}`);
  if (!validator.Check(value)) return invalid(describe(validator, value));
  const record = value as LogRecord;
  if (record.org_id !== orgId)
    return { code: 'FOREIGN_ORGANIZATION', message: 'is of another organization than the key' };
  const problem = storabilityProblem(record);
  return problem === undefined ? undefined : invalid(problem);
}

/** The partition is that of the id's own time: there is none for what nobody keeps any more, and none far ahead. */
function checkTime(record: LogRecord, { fromMs, toMs }: TimeBounds): Problem | undefined {
  if (uuidTime(record.id) === undefined) return invalid('/id is no UUIDv7');
  const name = record.type === 'call' ? 'call_id' : 'id';
  const time = uuidTime(onceBy(record));
  if (time === undefined) return invalid(`/${name} is no UUIDv7`);
  if (time >= fromMs && time <= toMs) return undefined;
  const made = `/${name} was made at ${new Date(time).toISOString()}`;
  return time < fromMs
    ? { code: 'TOO_OLD', message: `${made}, before anything that is kept` }
    : { code: 'IN_THE_FUTURE', message: `${made}, more than a day from now` };
}

function invalid(message: string): Problem {
  return { code: 'INVALID', message: message.slice(0, 300) };
}

function describe(validator: Validator, value: unknown): string {
  const [first] = validator.Errors(value);
  if (!first) return 'has another shape';
  const { keyword, instancePath, params, message } = first;
  const names = (key: string): string => String(key in params ? (params as Record<string, unknown>)[key] : '');
  if (keyword === 'required') return `${instancePath}/${names('requiredProperties').replaceAll(',', ', ')} is missing`;
  return `${instancePath || 'the record'} ${message}`;
}
