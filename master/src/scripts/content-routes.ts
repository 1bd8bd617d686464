import * as contracts from '@voiceoi/contracts';
import type { FastifyReply } from 'fastify';
import Type from 'typebox';
import type { Database } from '../database/index.ts';
import {
  type App,
  actorOf,
  bodyOptional,
  checkIfMatch,
  IF_MATCH,
  ListQuery,
  Page,
  pageOf,
  pageRequest,
  route,
} from '../http/index.ts';
import type { Draft, ScriptService } from './service.ts';
import * as store from './store.ts';

const { ScriptParams, VersionParams } = contracts;

/** A script's content: draft, validation, versions, differences, simulation. */
export function contentRoutes(app: App, database: Database, service: ScriptService): void {
  const answer = (reply: FastifyReply, draft: Draft): Draft => {
    reply.header('etag', draft.etag);
    return draft;
  };

  app.get(
    '/api/orgs/:org_id/scripts/:script_id/draft',
    route({
      id: 'getDraft',
      tag: 'scripts',
      summary: 'The draft: what was saved last, else the latest version',
      access: 'script.read',
      params: ScriptParams,
      answers: { 200: contracts.Draft },
    }),
    async (request, reply) => answer(reply, await service.draft(request.params.org_id, request.params.script_id)),
  );

  app.put(
    '/api/orgs/:org_id/scripts/:script_id/draft',
    route({
      id: 'putDraft',
      tag: 'scripts',
      summary: 'Save the draft; one with errors too',
      access: 'script.write',
      params: ScriptParams,
      body: contracts.PutDraft,
      answers: { 200: contracts.Draft },
      headers: IF_MATCH,
      problems: ['CHANGED_MEANWHILE'],
    }),
    async (request, reply) => {
      const { org_id: orgId, script_id: id } = request.params;
      const check = (draftVersion: number): void => checkIfMatch(request.headers['if-match'], draftVersion);
      return answer(reply, await service.saveDraft(orgId, id, request.body.document, check));
    },
  );

  app.post(
    '/api/orgs/:org_id/scripts/:script_id/validate',
    {
      ...bodyOptional,
      ...route({
        id: 'validateScript',
        tag: 'scripts',
        summary: 'Validate a document, or the draft',
        access: 'script.read',
        params: ScriptParams,
        body: contracts.ValidateRequest,
        answers: { 200: contracts.ValidationAnswer },
      }),
    },
    async (request) => service.validate(request.params.org_id, request.params.script_id, request.body.document),
  );

  app.post(
    '/api/orgs/:org_id/scripts/:script_id/publish',
    {
      ...bodyOptional,
      ...route({
        id: 'publishScript',
        tag: 'scripts',
        summary: 'Make the draft a version that new calls play',
        access: 'script.publish',
        params: ScriptParams,
        body: contracts.PublishRequest,
        answers: { 201: contracts.Published },
        problems: ['SCRIPT_INVALID'],
      }),
    },
    async (request, reply) => {
      const { org_id: orgId, script_id: id } = request.params;
      const version = await service.publish({ orgId, actor: actorOf(request) }, id, request.body.note ?? '');
      return reply.code(201).send({ version });
    },
  );

  app.post(
    '/api/orgs/:org_id/scripts/:script_id/rollback',
    route({
      id: 'rollbackScript',
      tag: 'scripts',
      summary: 'Make an old version’s content the newest version',
      access: 'script.publish',
      params: ScriptParams,
      body: contracts.RollbackRequest,
      answers: { 201: contracts.Published },
      problems: ['SCRIPT_INVALID'],
    }),
    async (request, reply) => {
      const { org_id: orgId, script_id: id } = request.params;
      const { version, note } = request.body;
      return reply
        .code(201)
        .send({ version: await service.rollback({ orgId, actor: actorOf(request) }, id, version, note ?? '') });
    },
  );

  app.get(
    '/api/orgs/:org_id/scripts/:script_id/versions',
    route({
      id: 'listVersions',
      tag: 'scripts',
      summary: 'Versions, newest first',
      access: 'script.read',
      params: ScriptParams,
      query: Type.Object(ListQuery, { additionalProperties: false }),
      answers: { 200: Page(contracts.VersionItem) },
    }),
    async (request) => {
      const { org_id: orgId, script_id: id } = request.params;
      await store.getScript(database, orgId, id);
      const page = pageRequest(request.query, 1);
      const before = page.after === undefined ? 2_147_483_647 : Number(page.after[0]);
      const rows = await store.listVersions(
        database,
        orgId,
        id,
        Number.isSafeInteger(before) ? before : 0,
        page.limit + 1,
      );
      return pageOf(
        rows,
        page,
        (row) => ({ ...row, published_at: row.published_at.toISOString() }),
        (row) => [String(row.version)],
      );
    },
  );

  app.get(
    '/api/orgs/:org_id/scripts/:script_id/versions/:version',
    route({
      id: 'getVersion',
      tag: 'scripts',
      summary: 'One version with its document',
      access: 'script.read',
      params: VersionParams,
      answers: { 200: contracts.VersionDocument },
    }),
    async (request) => {
      const { org_id: orgId, script_id: id, version } = request.params;
      await store.getScript(database, orgId, id);
      const row = await store.getVersion(database, orgId, id, Number(version));
      return { ...row, published_at: row.published_at.toISOString() };
    },
  );

  app.get(
    '/api/orgs/:org_id/scripts/:script_id/diff',
    route({
      id: 'diffVersions',
      tag: 'scripts',
      summary: 'What leads from one version to another, or to the draft',
      access: 'script.read',
      params: ScriptParams,
      query: contracts.DiffQuery,
      answers: { 200: contracts.DiffAnswer },
    }),
    async (request) => {
      const { org_id: orgId, script_id: id } = request.params;
      const { from, to } = request.query;
      await store.getScript(database, orgId, id);
      return { from, to, changes: await service.diff(orgId, id, from, to) };
    },
  );

  app.post(
    '/api/orgs/:org_id/scripts/:script_id/simulate',
    route({
      id: 'simulateScript',
      tag: 'scripts',
      summary: 'Play a document, a version or the draft without a telephone',
      access: 'script.read',
      params: ScriptParams,
      body: contracts.SimulateRequest,
      answers: { 200: contracts.SimulateAnswer },
      problems: ['SCRIPT_INVALID'],
    }),
    async (request) => service.simulate(request.params.org_id, request.params.script_id, request.body),
  );
}
