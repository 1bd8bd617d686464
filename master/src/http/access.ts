import {
  type Action,
  allows,
  includesRole,
  isAction,
  OrgId,
  PERMISSIONS,
  type Rank,
  type Role,
} from '@voiceoi/contracts';
import { hasUrlSignature } from '@voiceoi/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Compile } from 'typebox/compile';
import { notFound, ProblemError } from './problems.ts';

/** Who a request comes from. */
export type Principal =
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'user';
      readonly id: string;
      readonly email: string;
      readonly superadmin: boolean;
      /** The session that their access token belongs to. */
      readonly session?: string;
      /** What they are in the organization of the path. */
      readonly rank?: Rank;
    }
  | {
      readonly kind: 'token';
      readonly id: string;
      readonly orgId: string;
      readonly role: Role;
      readonly name: string;
    }
  | { readonly kind: 'node'; readonly orgId: string; readonly generation: number };

/** What a route asks of whoever calls it. */
export type Access =
  /** Everybody. */
  | 'public'
  /** Whoever is signed in. */
  | 'user'
  /** A bot node with its organization's key. */
  | 'node'
  /** Whoever the table of permissions lets do it, to the organization in the path if there is one. */
  | Action;

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /** A signed URL will do instead; the route checks it, since its body belongs to it (gateway/signed-request.ts). */
    takesSignedUrl?: boolean;
  }
  interface FastifyRequest {
    principal: Principal;
  }
}

/** Finds out who a request comes from. */
export interface Authenticators {
  user(bearer: string): Promise<Principal | undefined>;
  node(key: string): Promise<Principal | undefined>;
  /** A user's role in an organization, as the database has it now; undefined for one that is no member. */
  role(userId: string, orgId: string): Promise<Role | undefined>;
}

/** Checks every request against its route's `access`, in this one place. */
export function accessGuard(authenticators: Authenticators) {
  return async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    request.principal = { kind: 'anonymous' };
    const { access } = request.routeOptions.config;
    if (access === undefined || access === 'public') return;
    if (access === 'node') {
      request.principal = await nodePrincipal(request, authenticators);
      return checkNodeOrg(request, request.principal);
    }
    if (request.routeOptions.config.takesSignedUrl && hasUrlSignature(queryOf(request))) return checkOrgId(request);
    request.principal = await userPrincipal(request, authenticators);
    if (access === 'user') return void userIdOf(request);
    if (PERMISSIONS[access] !== 'superadmin') await rankInOrganization(request, authenticators);
    requirePermission(request, access);
  };
}

/** A route that asks for a role must say where. @throws when its path names no organization */
export function checkRoute(url: string, access: Access | undefined): void {
  if (access === undefined) throw new Error(`the route ${url} does not say who may call it`);
  const needsOrganization = isAction(access) && PERMISSIONS[access] !== 'superadmin';
  if (needsOrganization && !url.includes('/:org_id'))
    throw new Error(`the route ${url} asks for a role, and its path has no org_id`);
}

async function userPrincipal(request: FastifyRequest, authenticators: Authenticators): Promise<Principal> {
  const token = /^Bearer ([\w.~+/-]+=*)$/.exec(request.headers.authorization ?? '')?.[1];
  const principal = token === undefined ? undefined : await authenticators.user(token);
  if (!principal)
    throw new ProblemError('UNAUTHENTICATED', 'Send an access token as Authorization: Bearer …', {
      headers: { 'www-authenticate': 'Bearer' },
    });
  return principal;
}

async function nodePrincipal(request: FastifyRequest, authenticators: Authenticators): Promise<Principal> {
  const header = request.headers['x-organization-secret'] ?? request.headers['x-sync-token'];
  const principal = typeof header === 'string' ? await authenticators.node(header) : undefined;
  if (!principal) throw new ProblemError('UNKNOWN_KEY', 'Send the organization’s key as X-Organization-Secret');
  return principal;
}

const isOrgId = Compile(OrgId);

/** To whoever is no member, an organization is not there: what they are told must not differ from one that really is not. */
async function rankInOrganization(request: FastifyRequest, { role }: Authenticators): Promise<void> {
  const { principal } = request;
  const { org_id: orgId } = request.params as { readonly org_id: string };
  if (principal.kind === 'token' && principal.orgId !== orgId) throw notFound(`organization "${orgId}"`);
  if (principal.kind !== 'user') return;
  if (principal.superadmin) {
    request.principal = { ...principal, rank: 'superadmin' };
    return;
  }
  const rank = isOrgId.Check(orgId) ? await role(principal.id, orgId) : undefined;
  if (!rank) throw notFound(`organization "${orgId}"`);
  request.principal = { ...principal, rank };
}

/** The query as it stands. */
export function queryOf({ raw }: FastifyRequest): string {
  const url = raw.url ?? '';
  const at = url.indexOf('?');
  return at < 0 ? '' : url.slice(at + 1);
}

/** Of a request that nobody stands behind yet. @throws ProblemError when its organization cannot be one */
function checkOrgId(request: FastifyRequest): void {
  const { org_id: orgId } = request.params as { readonly org_id: string };
  if (!isOrgId.Check(orgId)) throw notFound(`organization "${orgId}"`);
}

/** What somebody is: their role in the organization of the path, or superadmin. */
function rankOf({ principal }: FastifyRequest): Rank | undefined {
  if (principal.kind === 'token') return principal.role;
  if (principal.kind !== 'user') return undefined;
  return principal.superadmin ? 'superadmin' : principal.rank;
}

/** Whether whoever calls may do this too, where a route shows or takes more from some than from others. */
export function mayDo(request: FastifyRequest, action: Action): boolean {
  const rank = rankOf(request);
  return rank !== undefined && allows(rank, action);
}

/** Whether whoever calls may give this role to somebody or something else: nobody passes on more than they are. */
export function mayGrant(request: FastifyRequest, role: Role): boolean {
  const rank = rankOf(request);
  return rank !== undefined && includesRole(rank, role);
}

/** @throws ProblemError when whoever calls may not do this */
export function requirePermission(request: FastifyRequest, action: Action): void {
  if (mayDo(request, action)) return;
  throw new ProblemError('FORBIDDEN', `This needs the role ${PERMISSIONS[action]} (${action})`);
}

/** Whose rows a request may see: of the organization that it names, of a node's own, or of all where the route is for no single one. */
export function scopeOf({ params, principal }: FastifyRequest): string {
  const named = typeof params === 'object' && params !== null && 'org_id' in params ? params.org_id : undefined;
  if (principal.kind === 'node') return principal.orgId;
  return typeof named === 'string' ? named : '*';
}

/** A key opens its own organization alone; a request that names another one is refused. */
function checkNodeOrg(request: FastifyRequest, principal: Principal): void {
  const query = request.query as { readonly org_id?: unknown };
  const isForeign = principal.kind === 'node' && query.org_id !== undefined && query.org_id !== principal.orgId;
  if (isForeign)
    throw new ProblemError('FOREIGN_ORGANIZATION', 'This key is not of the organization that the request names');
}

/** The user who calls. @throws ProblemError for anybody else */
export function userIdOf({ principal }: FastifyRequest): string {
  if (principal.kind === 'token') throw new ProblemError('FORBIDDEN', 'This is for people: a token may not do it');
  if (principal.kind !== 'user') throw new ProblemError('UNAUTHENTICATED', 'Sign in first');
  return principal.id;
}

/** Who did it, as the change log names them. */
export function actorOf({ principal }: FastifyRequest): string {
  if (principal.kind === 'user') return principal.email;
  if (principal.kind === 'token') return `token ${principal.name} (${principal.id})`;
  return principal.kind === 'node' ? `node of ${principal.orgId}` : 'nobody';
}
