import { CreateOrganization, Organization, OrgParams, type OrgSettings, PatchOrganization } from '@voiceoi/contracts';
import { parseCidr } from '@voiceoi/kernel';
import Type from 'typebox';
import * as audit from '../audit/index.ts';
import type { Database } from '../database/index.ts';
import {
  type App,
  actorOf,
  type Feature,
  ListQuery,
  Page,
  pageOf,
  pageRequest,
  route,
  userIdOf,
  validationFailed,
} from '../http/index.ts';
import { insertFirstKey } from '../keys/index.ts';
import type { Revisions } from '../sync/index.ts';
import * as store from './store.ts';

/** Organizations and their settings. */
export function organizationRoutes(database: Database, revisions: Revisions): Feature {
  return (app: App) => {
    app.get(
      '/api/orgs',
      route({
        id: 'listOrganizations',
        tag: 'organizations',
        summary: 'Organizations: for a superadmin all, for others those that they are a member of',
        access: 'user',
        query: Type.Object(ListQuery, { additionalProperties: false }),
        answers: { 200: Page(Organization) },
      }),
      async (request) => {
        const page = pageRequest(request.query, 1);
        const { principal } = request;
        const member = principal.kind === 'user' && principal.superadmin ? undefined : userIdOf(request);
        const rows = await store.listOrganizations(database, member, page.after?.[0], page.limit + 1);
        return pageOf(
          rows,
          page,
          (row) => row,
          (row) => [row.id],
        );
      },
    );

    app.post(
      '/api/orgs',
      route({
        id: 'createOrganization',
        tag: 'organizations',
        summary: 'Make an organization with its first key',
        access: 'organization.create',
        body: CreateOrganization,
        answers: { 201: Organization },
        problems: ['ALREADY_EXISTS'],
      }),
      async (request, reply) => {
        const { id, name, settings = {} } = request.body;
        checkSettings(settings);
        const made = await database.transaction(async (tx) => {
          await store.insertOrganization(tx, id, name, settings);
          await insertFirstKey(tx, id);
          const after = await store.getOrganization(tx, id);
          await audit.record(tx, { orgId: id, action: 'organization.create', target: `organization/${id}`, after });
          return after;
        });
        return reply.code(201).header('location', `/api/orgs/${id}`).send(made);
      },
    );

    app.get(
      '/api/orgs/:org_id',
      route({
        id: 'getOrganization',
        tag: 'organizations',
        summary: 'One organization',
        access: 'organization.read',
        params: OrgParams,
        answers: { 200: Organization },
      }),
      async (request) => store.getOrganization(database, request.params.org_id),
    );

    app.patch(
      '/api/orgs/:org_id',
      route({
        id: 'patchOrganization',
        tag: 'organizations',
        summary: 'Change name or settings, field by field; null returns a setting to its default',
        access: 'organization.write',
        params: OrgParams,
        body: PatchOrganization,
        answers: { 200: Organization },
      }),
      async (request) => {
        const { org_id: orgId } = request.params;
        return revisions
          .change({ orgId, actor: actorOf(request) }, async (tx) => {
            const before = await store.getOrganization(tx, orgId);
            const settings = mergeSettings(before.settings, request.body.settings ?? {});
            checkSettings(settings);
            await store.updateOrganization(tx, orgId, request.body.name ?? before.name, settings);
            const after = await store.getOrganization(tx, orgId);
            const target = `organization/${orgId}`;
            await audit.record(tx, { orgId, action: 'organization.update', target, before, after });
          })
          .then(() => store.getOrganization(database, orgId));
      },
    );

    app.delete(
      '/api/orgs/:org_id',
      route({
        id: 'deleteOrganization',
        tag: 'organizations',
        summary: 'Delete an organization with everything that it has',
        access: 'organization.delete',
        params: OrgParams,
        answers: { 204: null },
      }),
      async (request, reply) => {
        const { org_id: orgId } = request.params;
        await database.transaction(async (tx) => {
          const before = await store.getOrganization(tx, orgId);
          await store.deleteOrganization(tx, orgId);
          await audit.record(tx, { orgId, action: 'organization.delete', target: `organization/${orgId}`, before });
        });
        return reply.code(204).send();
      },
    );
  };
}

function mergeSettings(before: OrgSettings, patch: { readonly [name: string]: unknown }): OrgSettings {
  const merged = { ...before, ...patch };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null)) as OrgSettings;
}

function checkSettings({ timezone, webhook_allow: allowed = [] }: OrgSettings): void {
  const isZone = timezone === undefined || isTimeZone(timezone);
  const notAZone = 'is not a time zone of the IANA database, such as America/New_York';
  const notAllowable = 'is neither a CIDR block, such as 10.0.0.0/8, nor a host name';
  const errors = [
    ...(isZone ? [] : [{ path: '/settings/timezone', message: notAZone }]),
    ...allowed.flatMap((entry, at) =>
      isAllowable(entry) ? [] : [{ path: `/settings/webhook_allow/${at}`, message: notAllowable }],
    ),
  ];
  if (errors.length > 0) throw validationFailed(errors);
}

const HOST_NAME = /^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?\.?$/i;

/** What nodes can make nothing of would be believed to open something. A name ends with a letter's label: else it is an address that is written oddly. */
function isAllowable(entry: string): boolean {
  return parseCidr(entry) !== undefined || HOST_NAME.test(entry);
}

/** Intl also takes offsets such as `+05:00`: those are no zones, they know no summer time. */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
