import { Campaign, CampaignParams, Canary, PutCanary } from '@voiceoi/contracts';
import type { Database, Queryable } from '../database/index.ts';
import { type App, actorOf, notFound, route, validationFailed } from '../http/index.ts';
import { latestVersion } from '../scripts/index.ts';
import type { Revisions } from '../sync/index.ts';
import { recordChange } from './record-change.ts';
import * as store from './store.ts';

/** A canary: part of the calls, or those of some nodes, play another version until it is promoted or withdrawn. */
export function canaryRoutes(app: App, database: Database, revisions: Revisions): void {
  const path = '/api/orgs/:org_id/campaigns/:campaign_id/canary';

  app.get(
    path,
    route({
      id: 'getCanary',
      tag: 'campaigns',
      summary: 'The canary of a campaign',
      access: 'campaign.read',
      params: CampaignParams,
      answers: { 200: Canary },
    }),
    async ({ params: { org_id: orgId, campaign_id: id } }) => standingCanary(database, orgId, id),
  );

  app.put(
    path,
    route({
      id: 'putCanary',
      tag: 'campaigns',
      summary: 'Let a share of new calls, or those of some nodes, play another version',
      description:
        'Exactly one of `percent` and `node_ids`; nodes need not have been seen yet. Everyone else keeps the version that the campaign played when its canary was first set, whatever is published meanwhile.',
      access: 'canary.write',
      params: CampaignParams,
      body: PutCanary,
      answers: { 200: Canary },
    }),
    async (request) => {
      const { org_id: orgId, campaign_id: id } = request.params;
      const canary = request.body;
      await revisions.change({ orgId, actor: actorOf(request) }, async (tx) => {
        const before = await store.getCampaign(tx, orgId, id);
        await checkCanary(tx, orgId, before.fields.script_id, canary);
        await store.setCanary(tx, orgId, id, canary);
        await recordChange(tx, 'canary.set', orgId, id, before);
      });
      return standingCanary(database, orgId, id);
    },
  );

  app.delete(
    path,
    route({
      id: 'deleteCanary',
      tag: 'campaigns',
      summary: 'Withdraw a canary: the campaign is as it was before',
      access: 'canary.write',
      params: CampaignParams,
      answers: { 204: null },
    }),
    async (request, reply) => {
      const { org_id: orgId, campaign_id: id } = request.params;
      await revisions.change({ orgId, actor: actorOf(request) }, async (tx) => {
        const { before } = await withCanary(tx, orgId, id);
        await store.withdrawCanary(tx, orgId, id);
        await recordChange(tx, 'canary.withdraw', orgId, id, before);
      });
      return reply.code(204).send();
    },
  );

  app.post(
    `${path}/promote`,
    route({
      id: 'promoteCanary',
      tag: 'campaigns',
      summary: 'Make the canary’s version the campaign’s',
      access: 'canary.write',
      params: CampaignParams,
      answers: { 200: Campaign },
    }),
    async (request, reply) => {
      const { org_id: orgId, campaign_id: id } = request.params;
      await revisions.change({ orgId, actor: actorOf(request) }, async (tx) => {
        const { before, canary } = await withCanary(tx, orgId, id);
        await store.promoteCanary(tx, orgId, id, canary.version);
        await recordChange(tx, 'canary.promote', orgId, id, before);
      });
      const { campaign } = await store.getCampaign(database, orgId, id);
      reply.header('etag', campaign.etag);
      return campaign;
    },
  );
}

/** @throws ProblemError when there is none */
async function withCanary(db: Queryable, orgId: string, id: string) {
  const before = await store.getCampaign(db, orgId, id);
  const { canary } = before.campaign;
  if (!canary) throw notFound(`canary of campaign "${id}"`);
  return { before, canary };
}

async function standingCanary(db: Queryable, orgId: string, id: string): Promise<Canary> {
  return (await withCanary(db, orgId, id)).canary;
}

async function checkCanary(
  tx: Queryable,
  orgId: string,
  scriptId: string,
  { version, percent, node_ids: nodeIds }: Canary,
): Promise<void> {
  if ((percent === undefined) === (nodeIds === undefined))
    throw validationFailed([{ path: '', message: 'names either percent or node_ids, not both' }]);
  const latest = (await latestVersion(tx, orgId, scriptId)) ?? 0;
  if (version > latest)
    throw validationFailed([{ path: '/version', message: `script "${scriptId}" has no version ${version}` }]);
}
