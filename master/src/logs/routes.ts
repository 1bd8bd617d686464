import { LogAnswer, LogBatch } from '@voiceoi/contracts';
import { type Logger, labelBound, type Metrics } from '@voiceoi/kernel';
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import type { Database } from '../database/index.ts';
import { type App, type Feature, ProblemError, route } from '../http/index.ts';
import { type Admission, logAdmission } from './admission.ts';
import { startIngest } from './ingest.ts';
import { parseBatch, type RejectedRecord, type StorableRecord } from './parse.ts';
import type { Partitions } from './partitions.ts';
import { MOST_BYTES, MOST_RECORDS, NDJSON, readRecords } from './read-body.ts';
import { batchStore } from './store.ts';
import { timeBounds } from './uuid-day.ts';

/** Organizations with a line of their own in the metrics. */
const MOST_LABELS = 500;

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

interface LogOptions {
  readonly database: Database;
  readonly partitions: Partitions;
  /** Records that are older are not taken; 0: all are. */
  readonly retentionDays: number;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly admission?: Admission;
}

/** Takes the records of nodes: answers when they are durable. */
export function logRoutes({
  database,
  partitions,
  retentionDays,
  metrics,
  log,
  admission = logAdmission(),
}: LogOptions): Feature {
  const seconds = metrics.histogram('voiceoi_log_ingest_seconds', 'Records accepted → durable', ['org']);
  const label = labelBound(MOST_LABELS);
  const ingest = startIngest(batchStore(database, partitions));

  const take = async (
    request: FastifyRequest,
    orgId: string,
    onUnpacked: (bytes: number) => void,
  ): Promise<LogAnswer> => {
    const values = await readRecords(request, onUnpacked);
    const { records, rejected } = parseBatch(values, orgId, timeBounds(Date.now(), retentionDays));
    const { accepted, refused } = await ingest.add(records);
    const all = [...rejected, ...refused.map(refusal)].sort((a, b) => a.index - b.index);
    if (all.length > 0) log.warn({ org: orgId, rejected: all.slice(0, 5) }, 'records rejected');
    return { accepted, duplicates: records.length - refused.length - accepted, rejected: all };
  };

  return (app: App) => {
    // These bodies may be packed, and may be lines: they are read here and not by the parsers that the rest of the API uses.
    app.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser(
        ['application/json', NDJSON],
        { parseAs: 'buffer', bodyLimit: MOST_BYTES },
        (_request, body, done) => done(null, body),
      );
      scope.addHook('onRequest', admission.enter);
      scope.post(
        '/api/sync/logs',
        // The handler checks record by record, so that one that is wrong is rejected alone; the body's schema is for the OpenAPI.
        { config: POST_LOGS.config, schema: { ...POST_LOGS.schema, body: BODY }, validatorCompiler: () => () => true },
        async (request, reply) => {
          const { principal } = request;
          if (principal.kind !== 'node') throw new ProblemError('UNKNOWN_KEY', 'Send the organization’s key');
          const end = seconds.startTimer({ org: label(principal.orgId) });
          try {
            const answer = await admission.within(request, (share) => take(request, principal.orgId, share.resize));
            return reply.code(202).send(answer);
          } finally {
            end();
          }
        },
      );
    });
  };
}

function refusal({ index }: StorableRecord): RejectedRecord {
  return { index, code: 'INVALID', message: 'holds what the database does not take' };
}
