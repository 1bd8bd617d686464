import { demoScript } from '@voiceoi/script';
import * as audit from './audit/index.ts';
import { insertCampaign } from './campaigns/index.ts';
import type { Database } from './database/index.ts';
import { insertFirstKey } from './keys/index.ts';
import type { Master } from './master.ts';
import { insertOrganization } from './organizations/index.ts';
import { insertScript } from './scripts/index.ts';

/** What the first start makes, so that the dialplan line of the README works at once. */
export const DEMO = { orgId: 'abc', campaignId: '123', scriptId: 'demo' } as const;

/** Makes organization, script and campaign where there is no organization at all; says whether it did. */
export async function ensureDemo(database: Database, master: Master): Promise<boolean> {
  const { rows } = await database.query('SELECT 1 FROM organization LIMIT 1');
  if (rows.length > 0) return false;
  await audit.withOrigin(audit.systemOrigin(FIRST_START), () => makeDemo(database, master));
  return true;
}

const FIRST_START = 'first start';

async function makeDemo(database: Database, master: Master): Promise<void> {
  const { orgId, campaignId, scriptId } = DEMO;
  const actor = FIRST_START;
  await database.transaction(async (tx) => {
    await insertOrganization(tx, orgId, 'Demo', {});
    await insertFirstKey(tx, orgId);
    await insertScript(tx, orgId, scriptId, 'Demo', { ...demoScript });
    await audit.record(tx, { orgId, action: 'organization.create', target: `organization/${orgId}`, after: DEMO });
  });
  await master.scripts.publish({ orgId, actor }, scriptId, 'The demo of the first start');
  const campaign = {
    name: 'Demo',
    status: 'active' as const,
    script_id: scriptId,
    version: null,
    variables: {},
    lead_variables: [],
  };
  await master.revisions.change({ orgId, actor }, async (tx) => {
    await insertCampaign(tx, orgId, campaignId, campaign);
    const after = { id: campaignId, ...campaign };
    await audit.record(tx, { orgId, action: 'campaign.create', target: `campaign/${campaignId}`, after });
  });
}
