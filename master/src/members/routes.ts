import {
  AcceptInvite,
  CreateMember,
  Invitation,
  LoginAnswer,
  Member,
  MemberParams,
  OrgParams,
  PatchMember,
} from '@voiceoi/contracts';
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import { setSessionCookie } from '../auth/index.ts';
import type { Database } from '../database/index.ts';
import {
  type App,
  type Feature,
  ListQuery,
  mustExist,
  Page,
  pageOf,
  pageRequest,
  requirePermission,
  route,
  userIdOf,
} from '../http/index.ts';
import type { Invitations } from './invitations.ts';
import { type CheckRole, changeRole, invite, remove } from './service.ts';
import { listMembers } from './store.ts';

const OWNERS = 'Only owners make, change or remove owners.';

/** Members of an organization, and invitations to it. `secureCookies`: people come over https. */
export function memberRoutes(database: Database, invitations: Invitations, secureCookies: boolean): Feature {
  return (app: App) => {
    app.get(
      '/api/orgs/:org_id/members',
      route({
        id: 'listMembers',
        tag: 'members',
        summary: 'Members, and who is invited',
        access: 'member.read',
        params: OrgParams,
        query: Type.Object(ListQuery, { additionalProperties: false }),
        answers: { 200: Page(Member) },
      }),
      async ({ params, query }) => {
        await mustExist(database, params.org_id);
        const page = pageRequest(query, 2);
        return pageOf(
          await listMembers(database, params.org_id, page.after ?? [], page.limit + 1),
          page,
          (row) => row,
          (row) => [row.email, row.id],
        );
      },
    );

    app.post(
      '/api/orgs/:org_id/members',
      route({
        id: 'inviteMember',
        tag: 'members',
        summary: 'Invite somebody, for seven days; the address is shown this once',
        description: `An earlier invitation of the same e-mail ends. ${OWNERS}`,
        access: 'member.write',
        params: OrgParams,
        body: CreateMember,
        answers: { 201: Invitation },
        problems: ['ALREADY_EXISTS'],
      }),
      async (request, reply) => {
        const { org_id: orgId } = request.params;
        await mustExist(database, orgId);
        const wanted = { orgId, ...request.body, invitedBy: userIdOf(request) };
        const made = await invite(database, invitations, wanted, roleCheck(request));
        return reply.code(201).header('cache-control', 'no-store').send(made);
      },
    );

    app.patch(
      '/api/orgs/:org_id/members/:member_id',
      route({
        id: 'patchMember',
        tag: 'members',
        summary: 'Change the role of a member or of an invitation',
        description: `Holds from their next request on. ${OWNERS}`,
        access: 'member.write',
        params: MemberParams,
        body: PatchMember,
        answers: { 200: Member },
        problems: ['LAST_OWNER'],
      }),
      async (request) => {
        const { org_id: orgId, member_id: id } = request.params;
        return changeRole(database, orgId, id, request.body.role, roleCheck(request));
      },
    );

    app.delete(
      '/api/orgs/:org_id/members/:member_id',
      route({
        id: 'deleteMember',
        tag: 'members',
        summary: 'Remove a member, or withdraw an invitation',
        description: `The user stays one, with their other organizations. ${OWNERS}`,
        access: 'member.write',
        params: MemberParams,
        answers: { 204: null },
        problems: ['LAST_OWNER'],
      }),
      async (request, reply) => {
        await remove(database, request.params.org_id, request.params.member_id, roleCheck(request));
        return reply.code(204).send();
      },
    );

    acceptRoute(app, invitations, secureCookies);
  };
}

function acceptRoute(app: App, invitations: Invitations, secureCookies: boolean): void {
  app.post(
    '/api/auth/accept-invite',
    route({
      id: 'acceptInvite',
      tag: 'auth',
      summary: 'Become a member by an invitation, and sign in',
      description: 'A new user chooses a password; whoever has an account sends the one that it has.',
      access: 'public',
      body: AcceptInvite,
      answers: { 200: LoginAnswer },
      problems: ['BAD_CREDENTIALS', 'TOO_MANY_REQUESTS', 'ALREADY_EXISTS'],
    }),
    async (request, reply) => {
      const { token, password } = request.body;
      return setSessionCookie(reply, await invitations.accept(token, password, request.ip), secureCookies);
    },
  );
}

/** An admin manages members up to admin: owners are for owners. */
function roleCheck(request: FastifyRequest): CheckRole {
  return (role) => {
    if (role === 'owner') requirePermission(request, 'owner.write');
  };
}
