import { NodeStatus, NodeStatusAnswer } from '@voiceoi/contracts';
import { cidrMatcher } from '@voiceoi/kernel';
import type { FastifyRequest } from 'fastify';
import type { Database } from '../database/index.ts';
import { type App, type Principal, ProblemError, route } from '../http/index.ts';
import { type Provenance, saveStatus } from './store.ts';

/** Where nodes report. */
export function statusRoute(app: App, database: Database): void {
  app.post(
    '/api/sync/status',
    route({
      id: 'reportStatus',
      tag: 'sync',
      summary: 'A node tells how it is, and is told what to do',
      description:
        'Every 30 s, at each change of state or revision, and within 5 s of a change in the number of calls. Of `organizations` only the entry of the key’s organization is taken: a node that serves several reports once with each key.',
      access: 'node',
      body: NodeStatus,
      answers: { 200: NodeStatusAnswer },
      problems: ['NOT_FOUND'],
    }),
    async (request) => {
      const { body, principal } = request;
      const entry = ownEntry(body, principal);
      const { state, revision } = await saveStatus(database, body, entry, provenance(request));
      return { organizations: [{ org_id: entry.org_id, state, revision }] };
    },
  );
}

const isLoopback = cidrMatcher(['127.0.0.0/8', '::1/128']);

/** What the master itself knows of a status: the gateway trusts what the node says no further than that. */
function provenance({ principal, socket, headers }: FastifyRequest): Provenance {
  // A proxy on this machine connects from here whoever it speaks for.
  const isProxied = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'].some((name) => headers[name] !== undefined);
  return {
    from_loopback: !isProxied && isLoopback(socket.remoteAddress ?? ''),
    generation: principal.kind === 'node' ? principal.generation : 0,
  };
}

/** @throws ProblemError when the status says nothing of the key's organization */
function ownEntry({ organizations }: NodeStatus, principal: Principal): NodeStatus['organizations'][number] {
  const own = organizations.find(({ org_id }) => principal.kind === 'node' && org_id === principal.orgId);
  if (!own)
    throw new ProblemError(
      'FOREIGN_ORGANIZATION',
      'This status says nothing of the organization of the key it came with',
    );
  return own;
}
