import { Campaign, CampaignParams, CreateCampaign, OrgParams, PatchCampaign, PutCampaign } from '@voiceoi/contracts';
import type { FastifyReply } from 'fastify';
import Type from 'typebox';
import type { Database, Queryable } from '../database/index.ts';
import {
  type App,
  actorOf,
  checkIfMatch,
  type Feature,
  IF_MATCH,
  ListQuery,
  mustExist,
  Page,
  pageOf,
  pageRequest,
  route,
  validationFailed,
} from '../http/index.ts';
import { latestVersion } from '../scripts/index.ts';
import type { Revisions } from '../sync/index.ts';
import { canaryRoutes } from './canary-routes.ts';
import { recordChange } from './record-change.ts';
import * as store from './store.ts';

/** Campaigns: which script calls play, with which values. */
export function campaignRoutes(database: Database, revisions: Revisions): Feature {
  const answer = (reply: FastifyReply, campaign: Campaign): Campaign => {
    reply.header('etag', campaign.etag);
    return campaign;
  };
  const read = async (orgId: string, id: string): Promise<Campaign> =>
    (await store.getCampaign(database, orgId, id)).campaign;

  return (app: App) => {
    canaryRoutes(app, database, revisions);

    app.get(
      '/api/orgs/:org_id/campaigns',
      route({
        id: 'listCampaigns',
        tag: 'campaigns',
        summary: 'Campaigns of an organization',
        access: 'campaign.read',
        params: OrgParams,
        query: Type.Object(ListQuery, { additionalProperties: false }),
        answers: { 200: Page(Campaign) },
      }),
      async (request) => {
        const { org_id: orgId } = request.params;
        await mustExist(database, orgId);
        const page = pageRequest(request.query, 1);
        return pageOf(
          await store.listCampaigns(database, orgId, page.after?.[0], page.limit + 1),
          page,
          (row) => row,
          (row) => [row.id],
        );
      },
    );

    app.post(
      '/api/orgs/:org_id/campaigns',
      route({
        id: 'createCampaign',
        tag: 'campaigns',
        summary: 'Make a campaign',
        access: 'campaign.write',
        params: OrgParams,
        body: CreateCampaign,
        answers: { 201: Campaign },
        problems: ['ALREADY_EXISTS'],
      }),
      async (request, reply) => {
        const { org_id: orgId } = request.params;
        const { id, ...body } = request.body;
        await revisions.change({ orgId, actor: actorOf(request) }, async (tx) => {
          const fields = withDefaults(body);
          await checkReferences(tx, orgId, fields);
          await store.insertCampaign(tx, orgId, id, fields);
          await recordChange(tx, 'campaign.create', orgId, id, undefined);
        });
        reply.code(201).header('location', `/api/orgs/${orgId}/campaigns/${id}`);
        return answer(reply, await read(orgId, id));
      },
    );

    app.get(
      '/api/orgs/:org_id/campaigns/:campaign_id',
      route({
        id: 'getCampaign',
        tag: 'campaigns',
        summary: 'One campaign',
        access: 'campaign.read',
        params: CampaignParams,
        answers: { 200: Campaign },
      }),
      async (request, reply) => answer(reply, await read(request.params.org_id, request.params.campaign_id)),
    );

    app.put(
      '/api/orgs/:org_id/campaigns/:campaign_id',
      route({
        id: 'putCampaign',
        tag: 'campaigns',
        summary: 'Set a campaign, or make it',
        access: 'campaign.write',
        params: CampaignParams,
        headers: IF_MATCH,
        body: PutCampaign,
        answers: { 200: Campaign, 201: Campaign },
        problems: ['CHANGED_MEANWHILE'],
      }),
      async (request, reply) => {
        const { org_id: orgId, campaign_id: id } = request.params;
        const fields = withDefaults(request.body);
        const existed = await revisions.change({ orgId, actor: actorOf(request) }, async (tx) => {
          const before = await store.findCampaign(tx, orgId, id);
          checkIfMatch(request.headers['if-match'], before?.rowVersion);
          await checkReferences(tx, orgId, fields);
          if (before) await store.updateCampaign(tx, orgId, id, fields);
          else await store.insertCampaign(tx, orgId, id, fields);
          await recordChange(tx, before ? 'campaign.update' : 'campaign.create', orgId, id, before);
          return before !== undefined;
        });
        reply.code(existed ? 200 : 201);
        return answer(reply, await read(orgId, id));
      },
    );

    app.patch(
      '/api/orgs/:org_id/campaigns/:campaign_id',
      route({
        id: 'patchCampaign',
        tag: 'campaigns',
        summary: 'Change a campaign field by field; null returns a field to its default',
        access: 'campaign.write',
        params: CampaignParams,
        headers: IF_MATCH,
        body: PatchCampaign,
        answers: { 200: Campaign },
        problems: ['CHANGED_MEANWHILE'],
      }),
      async (request, reply) => {
        const { org_id: orgId, campaign_id: id } = request.params;
        await revisions.change({ orgId, actor: actorOf(request) }, async (tx) => {
          const before = await store.getCampaign(tx, orgId, id);
          checkIfMatch(request.headers['if-match'], before.rowVersion);
          const fields = merged(before.fields, request.body);
          await checkReferences(tx, orgId, fields);
          await store.updateCampaign(tx, orgId, id, fields);
          await recordChange(tx, 'campaign.update', orgId, id, before);
        });
        return answer(reply, await read(orgId, id));
      },
    );

    app.delete(
      '/api/orgs/:org_id/campaigns/:campaign_id',
      route({
        id: 'deleteCampaign',
        tag: 'campaigns',
        summary: 'Delete a campaign; calls in flight go on',
        access: 'campaign.write',
        params: CampaignParams,
        headers: IF_MATCH,
        answers: { 204: null },
        problems: ['CHANGED_MEANWHILE'],
      }),
      async (request, reply) => {
        const { org_id: orgId, campaign_id: id } = request.params;
        await revisions.change({ orgId, actor: actorOf(request) }, async (tx) => {
          const before = await store.getCampaign(tx, orgId, id);
          checkIfMatch(request.headers['if-match'], before.rowVersion);
          await store.deleteCampaign(tx, orgId, id);
          await recordChange(tx, 'campaign.delete', orgId, id, before);
        });
        return reply.code(204).send();
      },
    );
  };
}

interface Body {
  readonly name: string;
  readonly script_id: string;
  readonly status?: 'active' | 'paused' | null;
  readonly version?: 'latest' | number | null;
  readonly variables?: { readonly [name: string]: unknown } | null;
  readonly lead_variables?: readonly string[] | null;
}

function withDefaults({ name, script_id, status, version, variables, lead_variables }: Body): store.CampaignFields {
  return {
    name,
    script_id,
    status: status ?? 'active',
    version: version === undefined || version === 'latest' ? null : version,
    variables: variables ?? {},
    lead_variables: lead_variables ?? [],
  };
}

/** Fields that the patch names replace those that are there; null makes them their default. */
function merged(before: store.CampaignFields, patch: Partial<Body>): store.CampaignFields {
  const { version, ...rest } = before;
  return withDefaults({ ...rest, version: version ?? 'latest', ...patch });
}

async function checkReferences(
  tx: Queryable,
  orgId: string,
  { script_id, version }: store.CampaignFields,
): Promise<void> {
  const latest = await latestVersion(tx, orgId, script_id);
  if (latest === undefined)
    throw validationFailed([{ path: '/script_id', message: `there is no script "${script_id}"` }]);
  if (version !== null && version > latest)
    throw validationFailed([
      { path: '/version', message: `script "${script_id}" has no version ${version}; its latest is ${latest}` },
    ]);
}
