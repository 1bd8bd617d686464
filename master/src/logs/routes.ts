import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { LogAnswer, LogBatch } from '@voiceoi/contracts';
import { type Logger, labelBound, type Metrics } from '@voiceoi/kernel';
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import type { Database } from '../database/index.ts';
import { type App, type Feature, ProblemError, route, validationFailed } from '../http/index.ts';
import { parseBatch, readLine, splitLines } from './parse.ts';
import { insertRecords } from './store.ts';

const decompress = promisify(gunzip);

const MOST_BYTES = 4 * 1024 * 1024;
const MOST_RECORDS = 1000;
/** Batches that are worked on at once; more wait at the nodes. */
const MOST_AT_ONCE = 64;
/** Organizations with a line of their own in the metrics. */
const MOST_LABELS = 500;
const NDJSON = 'application/x-ndjson';

const POST_LOGS = route({
  id: 'postLogs',
  tag: 'sync',
  summary: 'Records of calls and agents; each is stored once, however often it is sent',
  description: `\`{"records": […]}\` or ${NDJSON}, gzip accepted; at most ${MOST_RECORDS} records and 4 MiB unpacked.`,
  access: 'node',
  answers: { 202: LogAnswer },
  problems: ['VALIDATION_FAILED', 'TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'OVERLOADED'],
});
const BODY = {
  content: {
    'application/json': { schema: LogBatch },
    [NDJSON]: { schema: Type.String({ description: 'A record on each line' }) },
  },
};

/** Takes the records of nodes: answers when they are durable. */
export function logRoutes(database: Database, metrics: Metrics, log: Logger): Feature {
  const seconds = metrics.histogram('voiceoi_log_ingest_seconds', 'Records accepted → durable', ['org']);
  const label = labelBound(MOST_LABELS);
  let atOnce = 0;

  return (app: App) => {
    // These bodies may be packed, and may be lines: they are read here and not by the parsers that the rest of the API uses.
    app.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser(
        ['application/json', NDJSON],
        { parseAs: 'buffer', bodyLimit: MOST_BYTES },
        (_request, body, done) => done(null, body),
      );
      scope.post(
        '/api/sync/logs',
        // The handler checks record by record, so that one that is wrong is rejected alone; the body's schema is for the OpenAPI.
        { config: POST_LOGS.config, schema: { ...POST_LOGS.schema, body: BODY }, validatorCompiler: () => () => true },
        async (request, reply) => {
          const { principal } = request;
          if (principal.kind !== 'node') throw new ProblemError('UNKNOWN_KEY', 'Send the organization’s key');
          if (atOnce >= MOST_AT_ONCE)
            throw new ProblemError('OVERLOADED', 'Too many batches at once', { headers: { 'retry-after': '1' } });
          const end = seconds.startTimer({ org: label(principal.orgId) });
          atOnce++;
          try {
            const { records, rejected } = parseBatch(await readRecords(request), principal.orgId);
            const accepted = await insertRecords(database, records);
            if (rejected.length > 0)
              log.warn({ org: principal.orgId, rejected: rejected.slice(0, 5) }, 'records rejected');
            return reply.code(202).send({ accepted, duplicates: records.length - accepted, rejected });
          } finally {
            atOnce--;
            end();
          }
        },
      );
    });
  };
}

async function readRecords(request: FastifyRequest): Promise<readonly unknown[]> {
  const text = (await unpacked(request)).toString('utf8');
  const isLines = request.headers['content-type']?.toLowerCase().startsWith(NDJSON) ?? false;
  return isLines ? bounded(splitLines(text)).map(readLine) : bounded(readEnvelope(text));
}

function bounded<T>(records: readonly T[]): readonly T[] {
  if (records.length <= MOST_RECORDS) return records;
  throw new ProblemError('TOO_LARGE', `A batch has at most ${MOST_RECORDS} records; this one has ${records.length}`);
}

async function unpacked(request: FastifyRequest): Promise<Buffer> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return body;
  if (encoding.toLowerCase() !== 'gzip')
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
