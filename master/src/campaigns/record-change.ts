import * as audit from '../audit/index.ts';
import type { Queryable } from '../database/index.ts';
import { findCampaign, type StoredCampaign } from './store.ts';

/** Writes down what became of a campaign: behind the change, in its transaction. */
export async function recordChange(
  tx: Queryable,
  action: audit.Happening['action'],
  orgId: string,
  id: string,
  before: StoredCampaign | undefined,
): Promise<void> {
  const after = await findCampaign(tx, orgId, id);
  const target = `campaign/${id}`;
  await audit.record(tx, { orgId, action, target, before: before?.campaign, after: after?.campaign });
}
