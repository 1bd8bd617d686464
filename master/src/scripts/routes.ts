import * as contracts from '@voiceoi/contracts';
import { scriptSchema } from '@voiceoi/script';
import type { FastifyReply } from 'fastify';
import Type from 'typebox';
import * as audit from '../audit/index.ts';
import type { Database } from '../database/index.ts';
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
} from '../http/index.ts';
import type { Revisions } from '../sync/index.ts';
import { contentRoutes } from './content-routes.ts';
import type { ScriptService } from './service.ts';
import * as store from './store.ts';

const { CreateScript, OrgParams, PatchScript, Script, ScriptParams } = contracts;

/** Scripts: making, naming, deleting; their content is in `content-routes.ts`. */
export function scriptRoutes(database: Database, revisions: Revisions, service: ScriptService): Feature {
  const answer = (reply: FastifyReply, script: contracts.Script): contracts.Script => {
    reply.header('etag', script.etag);
    return script;
  };
  const read = async (orgId: string, id: string): Promise<contracts.Script> =>
    (await store.getScript(database, orgId, id)).script;
  const schema = scriptSchema();

  return (app: App) => {
    app.get(
      '/api/orgs/:org_id/scripts',
      route({
        id: 'listScripts',
        tag: 'scripts',
        summary: 'Scripts of an organization',
        access: 'script.read',
        params: OrgParams,
        query: Type.Object(ListQuery, { additionalProperties: false }),
        answers: { 200: Page(Script) },
      }),
      async (request) => {
        const { org_id: orgId } = request.params;
        await mustExist(database, orgId);
        const page = pageRequest(request.query, 1);
        return pageOf(
          await store.listScripts(database, orgId, page.after?.[0], page.limit + 1),
          page,
          (row) => row,
          (row) => [row.id],
        );
      },
    );

    app.post(
      '/api/orgs/:org_id/scripts',
      route({
        id: 'createScript',
        tag: 'scripts',
        summary: 'Make a script, with a first draft if there is one',
        access: 'script.write',
        params: OrgParams,
        body: CreateScript,
        answers: { 201: Script },
        problems: ['ALREADY_EXISTS'],
      }),
      async (request, reply) => {
        const { org_id: orgId } = request.params;
        const { id, name, document } = request.body;
        await mustExist(database, orgId);
        await database.transaction(async (tx) => {
          await store.insertScript(tx, orgId, id, name, document);
          const { script } = await store.getScript(tx, orgId, id);
          const after = { ...script, ...(document && { document }) };
          await audit.record(tx, { orgId, action: 'script.create', target: `script/${id}`, after });
        });
        reply.code(201).header('location', `/api/orgs/${orgId}/scripts/${id}`);
        return answer(reply, await read(orgId, id));
      },
    );

    app.get(
      '/api/orgs/:org_id/scripts/:script_id',
      route({
        id: 'getScript',
        tag: 'scripts',
        summary: 'One script',
        access: 'script.read',
        params: ScriptParams,
        answers: { 200: Script },
      }),
      async (request, reply) => answer(reply, await read(request.params.org_id, request.params.script_id)),
    );

    app.patch(
      '/api/orgs/:org_id/scripts/:script_id',
      route({
        id: 'patchScript',
        tag: 'scripts',
        summary: 'Rename a script',
        access: 'script.write',
        params: ScriptParams,
        body: PatchScript,
        answers: { 200: Script },
        headers: IF_MATCH,
        problems: ['CHANGED_MEANWHILE'],
      }),
      async (request, reply) => {
        const { org_id: orgId, script_id: id } = request.params;
        await database.transaction(async (tx) => {
          await tx.query('SELECT id FROM script WHERE org_id = $1 AND id = $2 FOR UPDATE', [orgId, id]);
          const before = await store.getScript(tx, orgId, id);
          checkIfMatch(request.headers['if-match'], before.rowVersion);
          if (request.body.name !== undefined) await store.renameScript(tx, orgId, id, request.body.name);
          const { script: after } = await store.getScript(tx, orgId, id);
          const target = `script/${id}`;
          await audit.record(tx, { orgId, action: 'script.update', target, before: before.script, after });
        });
        return answer(reply, await read(orgId, id));
      },
    );

    app.delete(
      '/api/orgs/:org_id/scripts/:script_id',
      route({
        id: 'deleteScript',
        tag: 'scripts',
        summary: 'Delete a script that no campaign runs',
        access: 'script.write',
        params: ScriptParams,
        answers: { 204: null },
        headers: IF_MATCH,
        problems: ['IN_USE', 'CHANGED_MEANWHILE'],
      }),
      async (request, reply) => {
        const { org_id: orgId, script_id: id } = request.params;
        await revisions.change({ orgId, actor: actorOf(request) }, async (tx) => {
          const before = await store.getScript(tx, orgId, id);
          checkIfMatch(request.headers['if-match'], before.rowVersion);
          await store.deleteScript(tx, orgId, id);
          const target = `script/${id}`;
          await audit.record(tx, { orgId, action: 'script.delete', target, before: before.script });
        });
        return reply.code(204).send();
      },
    );

    app.get(
      '/api/schemas/script/v1',
      route({
        id: 'getScriptSchema',
        tag: 'scripts',
        summary: 'JSON Schema of the script language, version 1',
        access: 'public',
        answers: { 200: Type.Unknown() },
      }),
      async () => schema,
    );

    contentRoutes(app, database, service);
  };
}
