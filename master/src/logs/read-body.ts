import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { FastifyRequest } from 'fastify';
import { ProblemError, validationFailed } from '../http/index.ts';
import { readLine, splitLines } from './parse.ts';

const decompress = promisify(gunzip);

export const NDJSON = 'application/x-ndjson';
export const MOST_BYTES = 4 * 1024 * 1024;
export const MOST_RECORDS = 1000;
/** Records pack well; what they really are is known when they are unpacked. */
const PACKED_BY = 8;
/** What a request costs, however small its body is. */
const LEAST_BYTES = 16 * 1024;

/** How many bytes a request will take, by its headers alone. */
export function expectedBytes({ headers }: FastifyRequest): number {
  const length = headers['content-length'] === undefined ? MOST_BYTES : Number(headers['content-length']);
  const unpacked = isPacked(headers['content-encoding']) ? length * PACKED_BY : length;
  return Math.max(LEAST_BYTES, Math.min(unpacked, MOST_BYTES));
}

/** Reads what may be records from a request's body; `onUnpacked` is told how large it is. @throws ProblemError for a body that is wrong as a whole */
export async function readRecords(
  request: FastifyRequest,
  onUnpacked: (bytes: number) => void,
): Promise<readonly unknown[]> {
  const bytes = await unpacked(request);
  onUnpacked(Math.max(LEAST_BYTES, bytes.length));
  const text = bytes.toString('utf8');
  const isLines = request.headers['content-type']?.toLowerCase().startsWith(NDJSON) ?? false;
  return isLines ? bounded(splitLines(text)).map(readLine) : bounded(readEnvelope(text));
}

function bounded<T>(records: readonly T[]): readonly T[] {
  if (records.length <= MOST_RECORDS) return records;
  throw new ProblemError('TOO_LARGE', `A batch has at most ${MOST_RECORDS} records; this one has ${records.length}`);
}

function isPacked(encoding: string | undefined): boolean {
  return encoding !== undefined && encoding.toLowerCase() !== 'identity';
}

async function unpacked(request: FastifyRequest): Promise<Buffer> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const encoding = request.headers['content-encoding'];
  if (!isPacked(encoding)) return body;
  if (encoding?.toLowerCase() !== 'gzip')
    throw new ProblemError('UNSUPPORTED_MEDIA_TYPE', 'Content-Encoding may be gzip');
  try {
    return await decompress(body, { maxOutputLength: MOST_BYTES });
  } catch (error) {
    const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    if (isTooLarge) throw new ProblemError('TOO_LARGE', 'A batch has at most 4 MiB unpacked');
    throw validationFailed([{ path: '', message: 'is not gzip, though Content-Encoding says so' }]);
  }
}

function readEnvelope(text: string): readonly unknown[] {
  const value = parseJson(text);
  const records = typeof value === 'object' && value !== null && 'records' in value ? value.records : undefined;
  if (!Array.isArray(records)) throw validationFailed([{ path: '/records', message: 'has to be a list' }]);
  return records;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw validationFailed([{ path: '', message: 'is no JSON' }]);
  }
}
