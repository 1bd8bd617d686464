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
  campaign_id: Type.Optional(Type.String({ maxLength: 128 })),
  outcome: Type.Optional(Type.String({ maxLength: 32 })),
  disposition: Type.Optional(Type.String({ maxLength: 8 })),
  node_id: Type.Optional(Type.String({ maxLength: 63 })),
  caller: Type.Optional(Type.String({ maxLength: 256 })),
  version: Type.Optional(Type.Integer({ minimum: 1, maximum: 2147483647 })),
};
export const CallWithEvents = Type.Object({ ...CallRecord.properties, events: Type.Array(CallEventRecord) });
