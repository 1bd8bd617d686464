import Type from 'typebox';
import { OrgId, Uuid } from '../ids.ts';
import { CallEventRecord, CallRecord } from '../log-record.ts';

const Moment = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?(Z|[+-]\\d{2}:\\d{2})$',
  description: 'RFC 3339',
});

export const CallParams = Type.Object({ org_id: OrgId, call_id: Uuid });
export const CallFilters = {
  from: Type.Optional(Moment),
  to: Type.Optional(Moment),
  campaign_id: Type.Optional(Type.String({ maxLength: 128, description: 'Calls of this campaign' })),
  outcome: Type.Optional(Type.String({ maxLength: 32, description: 'Calls that ended so, for example `completed`' })),
  disposition: Type.Optional(Type.String({ maxLength: 8, description: 'Calls with this disposition' })),
  node_id: Type.Optional(Type.String({ maxLength: 63, description: 'Calls that this node answered' })),
  caller: Type.Optional(Type.String({ maxLength: 256, description: 'Calls from this number' })),
  version: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 2147483647, description: 'Calls that played this script version' }),
  ),
};
export const CallWithEvents = Type.Object({ ...CallRecord.properties, events: Type.Array(CallEventRecord) });
