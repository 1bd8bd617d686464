import type { Role } from '@voiceoi/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from './problems.ts';

/** Who a request comes from. */
export type Principal =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'user'; readonly id: string; readonly email: string; readonly superadmin: boolean }
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
  /** Whoever may do this to the organization in the path. */
  | 'org:read'
  | 'org:write'
  | 'org:admin'
  /** Whoever has all organizations. */
  | 'superadmin'
  /** A bot node with its organization's key. */
  | 'node';

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
  }
  interface FastifyRequest {
    principal: Principal;
  }
}

/** Finds out who a request comes from. */
export interface Authenticators {
  user(bearer: string): Promise<Principal | undefined>;
  node(key: string): Promise<Principal | undefined>;
}

/** Checks every request against its route's `access`, in this one place. */
export function accessGuard(authenticators: Authenticators) {
  return async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    request.principal = { kind: 'anonymous' };
    const { access } = request.routeOptions.config;
    if (access === undefined || access === 'public') return;
    request.principal =
      access === 'node' ? await nodePrincipal(request, authenticators) : await userPrincipal(request, authenticators);
    authorize(request, access);
  };
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

/** The one place that knows what roles may do; until there are members, that is superadmins alone. */
function authorize(request: FastifyRequest, access: Exclude<Access, 'public'>): void {
  const { principal } = request;
  if (access === 'node') return checkNodeOrg(request, principal);
  if (principal.kind === 'token') return checkToken(request, principal, access);
  if (principal.kind !== 'user') throw new ProblemError('UNAUTHENTICATED', 'Sign in first');
  if (access !== 'user' && !principal.superadmin) throw new ProblemError('FORBIDDEN', 'Your account may not do this');
}

const ROLES = ['viewer', 'editor', 'admin', 'owner'] as const satisfies readonly Role[];

/** Whether a role may do all that another may. */
export function includesRole(role: Role, other: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(other);
}

const NEEDED = { 'org:read': 'viewer', 'org:write': 'editor', 'org:admin': 'admin' } as const;

/** A token acts in its own organization alone, with its role; what is a person's own is not for it. */
function checkToken(
  request: FastifyRequest,
  { orgId, role }: Extract<Principal, { kind: 'token' }>,
  access: Exclude<Access, 'public' | 'node'>,
): void {
  const params = request.params as { readonly org_id?: unknown };
  const isAllowed =
    access !== 'user' && access !== 'superadmin' && params.org_id === orgId && includesRole(role, NEEDED[access]);
  if (!isAllowed) throw new ProblemError('FORBIDDEN', 'This token may not do this');
}

/** A key opens its own organization alone; a request that names another one is refused. */
function checkNodeOrg(request: FastifyRequest, principal: Principal): void {
  const query = request.query as { readonly org_id?: unknown };
  const isForeign = principal.kind === 'node' && query.org_id !== undefined && query.org_id !== principal.orgId;
  if (isForeign)
    throw new ProblemError('FOREIGN_ORGANIZATION', 'This key is not of the organization that the request names');
}

/** Who did it, as the change log names them. */
export function actorOf({ principal }: FastifyRequest): string {
  if (principal.kind === 'user') return principal.email;
  if (principal.kind === 'token') return `token ${principal.name} (${principal.id})`;
  return principal.kind === 'node' ? `node of ${principal.orgId}` : 'nobody';
}
