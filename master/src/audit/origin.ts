import { AsyncLocalStorage } from 'node:async_hooks';
import type { AuditActor } from '@voiceoi/contracts';
import type { FastifyRequest } from 'fastify';
import type { Principal } from '../http/index.ts';

/** Where a change comes from. */
export interface Origin {
  readonly actor: AuditActor;
  readonly request_id: string | null;
  readonly address: string | null;
}

/** One for all masters of a process: what is kept is a request's own. It travels with the request, so that no store can be called without it. */
const origins = new AsyncLocalStorage<Origin>();

const MASTER = systemOrigin('master');

/** What the master or a command does by itself. */
export function systemOrigin(name: string): Origin {
  return { actor: { kind: 'system', id: name, name }, request_id: null, address: null };
}

/** Runs `work`, and what it starts, as coming from there. */
export function withOrigin<T>(origin: Origin, work: () => T): T {
  return origins.run(origin, work);
}

export function currentOrigin(): Origin {
  return origins.getStore() ?? MASTER;
}

export function originOf({ principal, id, ip }: Pick<FastifyRequest, 'principal' | 'id' | 'ip'>): Origin {
  return { actor: actorOfPrincipal(principal), request_id: id, address: ip };
}

function actorOfPrincipal(principal: Principal): AuditActor {
  if (principal.kind === 'user') return userActor(principal);
  if (principal.kind === 'token') return { kind: 'api_token', id: principal.id, name: principal.name };
  if (principal.kind === 'node')
    return { kind: 'node', id: `${principal.orgId}/${principal.generation}`, name: `node of ${principal.orgId}` };
  return { kind: 'anonymous', id: '', name: 'nobody' };
}

/** A user; for requests that say only in their body who makes them, such as a sign-in. */
export function userActor({ id, email }: { readonly id: string; readonly email: string }): AuditActor {
  return { kind: 'user', id, name: email };
}
