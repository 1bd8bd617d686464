import { AgentRecord, CallEventRecord, CallRecord, CallStartRecord, type LogRecord } from '@voiceoi/contracts';
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { storabilityProblem } from './storable.ts';

/** A record that is not taken; `index` is its place in the batch. */
export interface RejectedRecord {
  readonly index: number;
  readonly code: 'BAD_JSON' | 'INVALID' | 'FOREIGN_ORGANIZATION';
  readonly message: string;
}

/** A batch, sorted into what is stored and what is not. */
export interface ParsedBatch {
  readonly records: readonly LogRecord[];
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
export function parseBatch(values: readonly unknown[], orgId: string): ParsedBatch {
  const records: LogRecord[] = [];
  const rejected: RejectedRecord[] = [];
  values.forEach((value, index) => {
    const problem = checkRecord(value, orgId);
    if (problem) rejected.push({ index, ...problem });
    else records.push(value as LogRecord);
  });
  return { records, rejected };
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

function invalid(message: string): Problem {
  return { code: 'INVALID', message: message.slice(0, 300) };
}

function describe(validator: Validator, value: unknown): string {
  // A field too much is told twice: that its schema is false, and that it is one too many. The second is the one to read.
  const first = validator.Errors(value).find(({ keyword }) => keyword !== 'boolean');
  if (!first) return 'has another shape';
  const { keyword, instancePath, params, message } = first;
  const names = (key: string): string => String(key in params ? (params as Record<string, unknown>)[key] : '');
  if (keyword === 'required') return `${instancePath}/${names('requiredProperties').replaceAll(',', ', ')} is missing`;
  if (keyword === 'additionalProperties')
    return `${instancePath}/${names('additionalProperties').replaceAll(',', ', ')} is not known here`;
  return `${instancePath || 'the record'} ${message}`;
}
