import { ApiToken, CreateApiToken, NewApiToken, OrgParams, type Role, Uuid } from '@voiceoi/contracts';
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import * as audit from '../audit/index.ts';
import type { Database } from '../database/index.ts';
import {
  type App,
  actorOf,
  type Feature,
  ListQuery,
  mayGrant,
  mustExist,
  Page,
  ProblemError,
  pageOf,
  pageRequest,
  route,
  validationFailed,
} from '../http/index.ts';
import { deleteToken, insertToken, listTokens } from './tokens.ts';

const TokenParams = Type.Object({ ...OrgParams.properties, token_id: Uuid });
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Tokens for machines, which act with a role in one organization. */
export function apiTokenRoutes(database: Database): Feature {
  return (app: App) => {
    app.get(
      '/api/orgs/:org_id/api-tokens',
      route({
        id: 'listApiTokens',
        tag: 'organizations',
        summary: 'Tokens for machines, newest first; without the tokens',
        access: 'api_token.read',
        params: OrgParams,
        query: Type.Object(ListQuery, { additionalProperties: false }),
        answers: { 200: Page(ApiToken) },
      }),
      async (request) => {
        const { org_id: orgId } = request.params;
        await mustExist(database, orgId);
        const page = pageRequest(request.query, 1);
        return pageOf(
          await listTokens(database, orgId, cursorOf(page.after?.[0]), page.limit + 1),
          page,
          (item) => item,
          ({ id }) => [id],
        );
      },
    );

    app.post(
      '/api/orgs/:org_id/api-tokens',
      route({
        id: 'createApiToken',
        tag: 'organizations',
        summary: 'Make a token for a machine; it is shown this once',
        access: 'api_token.write',
        params: OrgParams,
        body: CreateApiToken,
        answers: { 201: NewApiToken },
      }),
      async (request, reply) => {
        const { org_id: orgId } = request.params;
        const { name, role, expires_at: expiresAt } = request.body;
        await mustExist(database, orgId);
        checkGrant(request, role);
        checkExpiry(expiresAt);
        const made = await database.transaction(async (tx) => {
          const inserted = await insertToken(tx, { orgId, name, role, expiresAt, createdBy: actorOf(request) });
          const { token: _token, ...after } = inserted;
          await audit.record(tx, { orgId, action: 'api_token.create', target: `api_token/${inserted.id}`, after });
          return inserted;
        });
        return reply
          .code(201)
          .header('cache-control', 'no-store')
          .header('location', `/api/orgs/${orgId}/api-tokens/${made.id}`)
          .send(made);
      },
    );

    app.delete(
      '/api/orgs/:org_id/api-tokens/:token_id',
      route({
        id: 'deleteApiToken',
        tag: 'organizations',
        summary: 'End a token at once',
        access: 'api_token.write',
        params: TokenParams,
        answers: { 204: null },
      }),
      async (request, reply) => {
        const { org_id: orgId, token_id: id } = request.params;
        await database.transaction(async (tx) => {
          await deleteToken(tx, orgId, id);
          await audit.record(tx, { orgId, action: 'api_token.delete', target: `api_token/${id}` });
        });
        return reply.code(204).send();
      },
    );
  };
}

/** Nobody passes on more than they are: a token would outlast that. */
function checkGrant(request: FastifyRequest, role: Role): void {
  if (!mayGrant(request, role)) throw new ProblemError('FORBIDDEN', `You cannot make a token with the role ${role}`);
}

function checkExpiry(expiresAt: string | undefined): void {
  if (expiresAt === undefined) return;
  const at = Date.parse(expiresAt);
  if (Number.isNaN(at)) throw validationFailed([{ path: '/expires_at', message: 'is no time' }]);
  if (at <= Date.now()) throw validationFailed([{ path: '/expires_at', message: 'is over already' }]);
}

function cursorOf(id: string | undefined): string | undefined {
  if (id === undefined || UUID.test(id)) return id;
  throw validationFailed([{ path: 'cursor', message: 'is not a cursor of this list' }]);
}
