import { CallFilters, CallParams, CallRecord, CallWithEvents, OrgParams } from '@voiceoi/contracts';
import Type, { type Static } from 'typebox';
import type { Database } from '../database/index.ts';
import {
  type App,
  type Feature,
  ListQuery,
  mustExist,
  notFound,
  Page,
  type PageRequest,
  pageOf,
  pageRequest,
  route,
  validationFailed,
} from '../http/index.ts';
import { readCall, readEvents } from './call.ts';
import { readMoment } from './moment.ts';

const Query = Type.Object({ ...ListQuery, ...CallFilters }, { additionalProperties: false });
type Filters = Static<typeof Query>;

interface Row {
  readonly id: string;
  readonly started_at: Date;
  readonly record: CallRecord;
}

/** Calls that have ended, newest first, and one with its steps. */
export function callRoutes(database: Database): Feature {
  return (app: App) => {
    app.get(
      '/api/orgs/:org_id/calls',
      route({
        id: 'listCalls',
        tag: 'calls',
        summary: 'Calls that have ended, newest first',
        access: 'call.read',
        params: OrgParams,
        query: Query,
        answers: { 200: Page(CallRecord) },
      }),
      async (request) => {
        const { org_id: orgId } = request.params;
        await mustExist(database, orgId);
        const page = pageRequest(request.query, 2);
        const { sql, parameters } = listQuery(orgId, request.query, page);
        const { rows } = await database.query<Row>(sql, parameters);
        return pageOf(
          rows,
          page,
          ({ record }) => record,
          ({ started_at, id }) => [started_at.toISOString(), id],
        );
      },
    );

    app.get(
      '/api/orgs/:org_id/calls/:call_id',
      route({
        id: 'getCall',
        tag: 'calls',
        summary: 'One call with what it played, step by step',
        access: 'call.read',
        params: CallParams,
        answers: { 200: CallWithEvents },
      }),
      async (request) => {
        const { org_id: orgId, call_id: callId } = request.params;
        const call = await readCall(database, orgId, callId);
        if (!call) throw notFound(`call "${callId}" in organization "${orgId}"`);
        return { ...call, events: await readEvents(database, call) };
      },
    );
  };
}

/** Filters that a column answers by being equal. */
const EQUAL = ['campaign_id', 'outcome', 'disposition', 'node_id', 'caller', 'version'] as const;

function listQuery(
  orgId: string,
  filters: Filters,
  { limit, after }: PageRequest,
): { readonly sql: string; readonly parameters: readonly unknown[] } {
  const parameters: unknown[] = [orgId];
  const conditions = ['org_id = $1'];
  const where = (condition: (name: string) => string, value: unknown): void => {
    parameters.push(value);
    conditions.push(condition(`$${parameters.length}`));
  };
  for (const name of EQUAL)
    if (filters[name] !== undefined) where((parameter) => `${name} = ${parameter}`, filters[name]);
  if (filters.from !== undefined)
    where((parameter) => `started_at >= ${parameter}::timestamptz`, readMoment('/from', filters.from));
  if (filters.to !== undefined)
    where((parameter) => `started_at < ${parameter}::timestamptz`, readMoment('/to', filters.to));
  if (after) {
    parameters.push(...positionOf(after));
    conditions.push(`(started_at, id) < ($${parameters.length - 1}::timestamptz, $${parameters.length}::uuid)`);
  }
  parameters.push(limit + 1);
  const sql = `SELECT id, started_at, record FROM call_record WHERE ${conditions.join(' AND ')} ORDER BY started_at DESC, id DESC LIMIT $${parameters.length}`;
  return { sql, parameters };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The last call of the page before: when it began, to the millisecond as records have it, and its record's id. */
function positionOf([startedAt = '', id = '']: readonly string[]): readonly [string, string] {
  if (!UUID.test(id)) throw validationFailed([{ path: 'cursor', message: 'is not a cursor of this list' }]);
  return [readMoment('cursor', startedAt), id];
}
