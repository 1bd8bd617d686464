import { AgentItem, OrgParams } from '@voiceoi/contracts';
import Type from 'typebox';
import type { Database } from '../database/index.ts';
import { type App, type Feature, ListQuery, mustExist, Page, pageOf, pageRequest, route } from '../http/index.ts';
import { listAgents } from './agent-store.ts';

/** What agents do now. */
export function agentRoutes(database: Database): Feature {
  return (app: App) => {
    app.get(
      '/api/orgs/:org_id/agents',
      route({
        id: 'listAgents',
        tag: 'calls',
        summary: 'What each agent does now, and since when',
        access: 'agent.read',
        params: OrgParams,
        query: Type.Object(ListQuery, { additionalProperties: false }),
        answers: { 200: Page(AgentItem) },
      }),
      async (request) => {
        const { org_id: orgId } = request.params;
        await mustExist(database, orgId);
        const page = pageRequest(request.query, 1);
        const agents = await listAgents(database, orgId, page.after?.[0] ?? '', page.limit + 1);
        return pageOf(
          agents,
          page,
          (item) => item,
          ({ agent }) => [agent],
        );
      },
    );
  };
}
