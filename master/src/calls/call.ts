import type { CallEventRecord, CallRecord } from '@voiceoi/contracts';
import type { Database } from '../database/index.ts';
import { partitionDay, shiftDay } from '../logs/index.ts';

/** The record of a call. Its id says in which partition it is; one whose id says nothing is looked for in all. */
export async function readCall(database: Database, orgId: string, callId: string): Promise<CallRecord | undefined> {
  const day = partitionDay(callId, Date.now());
  const sql = `SELECT record FROM call_record WHERE org_id = $1 AND call_id = $2${day ? ' AND day = $3::date' : ''}`;
  const { rows } = await database.query<{ record: CallRecord }>(sql, [orgId, callId, ...(day ? [day] : [])]);
  return rows[0]?.record;
}

/** Steps of a call in their order. */
export async function readEvents(database: Database, call: CallRecord): Promise<readonly CallEventRecord[]> {
  const days = daysOfEvents(call);
  const sql = `SELECT record FROM call_event WHERE org_id = $1 AND call_id = $2
    ${days ? 'AND day BETWEEN $3::date AND $4::date' : ''} ORDER BY seq, id`;
  const { rows } = await database.query<{ record: CallEventRecord }>(sql, [call.org_id, call.call_id, ...(days ?? [])]);
  return rows.map(({ record }) => record);
}

/** A call's steps are written down between its beginning and its record; a day on either side is for clocks that were set meanwhile. */
function daysOfEvents({ call_id, id }: CallRecord): readonly [string, string] | undefined {
  const [first, last] = [call_id, id].map((uuid) => partitionDay(uuid, Date.now()));
  return first && last ? [shiftDay(first, -1), shiftDay(last, 1)] : undefined;
}
