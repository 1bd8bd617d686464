import { AgentRecord, CallEventRecord, CallRecord, CallStartRecord, type LogRecord } from '@voiceoi/contracts';
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';

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

/** Lines of NDJSON as values; a broken one is undefined. Empty lines do not count. */
export function readLines(text: string): readonly unknown[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      try {
        return JSON.parse(line) as unknown;
      } catch {
        return undefined;
      }
    });
}

/** Checks each record by itself, so that one that is wrong holds nothing back. */
export function parseBatch(values: readonly unknown[], orgId: string): ParsedBatch {
  const records: LogRecord[] = [];
  const rejected: RejectedRecord[] = [];
  values.forEach((value, index) => {
    const problem =
      value === undefined ? { code: 'BAD_JSON' as const, message: 'is no JSON' } : checkRecord(value, orgId);
    if (problem) rejected.push({ index, ...problem });
    else records.push(value as LogRecord);
  });
  return { records, rejected };
}

function checkRecord(value: unknown, orgId: string): Omit<RejectedRecord, 'index'> | undefined {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  const validator = typeof type === 'string' ? VALIDATORS.get(type) : undefined;
  if (!validator)
    return { code: 'INVALID', message: `has no known type: there are ${[...VALIDATORS.keys()].join(', ')}` };
  if (!validator.Check(value)) {
    const [first] = validator.Errors(value);
    return { code: 'INVALID', message: `${first?.instancePath ?? ''} ${first?.message ?? 'has another shape'}`.trim() };
  }
  const isForeign = (value as LogRecord).org_id !== orgId;
  return isForeign ? { code: 'FOREIGN_ORGANIZATION', message: 'is of another organization than the key' } : undefined;
}
