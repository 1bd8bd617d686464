import { NodeStatus, NodeStatusAnswer } from '@voiceoi/contracts';
import type { Database } from '../database/index.ts';
import { type App, type Principal, ProblemError, route } from '../http/index.ts';
import { saveStatus } from './store.ts';

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
    async ({ body, principal }) => {
      const entry = ownEntry(body, principal);
      const { state, revision } = await saveStatus(database, body, entry);
      return { organizations: [{ org_id: entry.org_id, state, revision }] };
    },
  );
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
