import { LONGEST_SECRET, OrgParams, PutSecret, SecretItem, SecretParams } from '@voiceoi/contracts';
import Type from 'typebox';
import * as audit from '../audit/index.ts';
import type { Database } from '../database/index.ts';
import {
  type App,
  actorOf,
  type Feature,
  ListQuery,
  mustExist,
  Page,
  ProblemError,
  pageOf,
  pageRequest,
  route,
  validationFailed,
} from '../http/index.ts';
import type { Revisions } from '../sync/index.ts';
import type { AtRest } from './at-rest.ts';
import * as store from './store.ts';

/** Every bundle carries all of them. */
const MOST_SECRETS = 100;

/** Secrets of an organization: they can be set and deleted, and never read. */
export function secretRoutes(database: Database, revisions: Revisions, rest: AtRest): Feature {
  return (app: App) => {
    app.get(
      '/api/orgs/:org_id/secrets',
      route({
        id: 'listSecrets',
        tag: 'organizations',
        summary: 'Names of the secrets of an organization',
        access: 'secret.list',
        params: OrgParams,
        query: Type.Object(ListQuery, { additionalProperties: false }),
        answers: { 200: Page(SecretItem) },
      }),
      async (request) => {
        const { org_id: orgId } = request.params;
        await mustExist(database, orgId);
        const page = pageRequest(request.query, 1);
        return pageOf(
          await store.listSecrets(database, orgId, page.after?.[0], page.limit + 1),
          page,
          (item) => item,
          ({ name }) => [name],
        );
      },
    );

    app.get(
      '/api/orgs/:org_id/secrets/:name',
      route({
        id: 'getSecret',
        tag: 'organizations',
        summary: 'Whether there is a secret, and when it was set; never its value',
        access: 'secret.list',
        params: SecretParams,
        answers: { 200: SecretItem },
      }),
      async (request) => store.getSecret(database, request.params.org_id, request.params.name),
    );

    app.put(
      '/api/orgs/:org_id/secrets/:name',
      route({
        id: 'putSecret',
        tag: 'organizations',
        summary: 'Set a secret, used in scripts as secret.<name>',
        access: 'secret.write',
        params: SecretParams,
        body: PutSecret,
        answers: { 200: SecretItem },
        problems: ['IN_USE'],
      }),
      async (request) => {
        const { org_id: orgId, name } = request.params;
        const { value } = request.body;
        if (Buffer.byteLength(value) > LONGEST_SECRET)
          throw validationFailed([{ path: '/value', message: `has more than ${LONGEST_SECRET} bytes` }]);
        const actor = actorOf(request);
        return revisions.change({ orgId, actor }, async (tx) => {
          if ((await store.countOthers(tx, orgId, name)) >= MOST_SECRETS)
            throw new ProblemError('IN_USE', `An organization has ${MOST_SECRETS} secrets at most: delete one first`);
          await store.putSecret(tx, rest, { orgId, name, actor }, value);
          const after = await store.getSecret(tx, orgId, name);
          await audit.record(tx, { orgId, action: 'secret.put', target: `secret/${name}`, after });
          return after;
        });
      },
    );

    app.delete(
      '/api/orgs/:org_id/secrets/:name',
      route({
        id: 'deleteSecret',
        tag: 'organizations',
        summary: 'Delete a secret; scripts that use it fail at that step from then on',
        access: 'secret.write',
        params: SecretParams,
        answers: { 204: null },
      }),
      async (request, reply) => {
        const { org_id: orgId, name } = request.params;
        const actor = actorOf(request);
        await revisions.change({ orgId, actor }, async (tx) => {
          const before = await store.getSecret(tx, orgId, name);
          await store.deleteSecret(tx, orgId, name, actor);
          await audit.record(tx, { orgId, action: 'secret.delete', target: `secret/${name}`, before });
        });
        return reply.code(204).send();
      },
    );
  };
}
