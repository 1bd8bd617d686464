import { type DrainState, NodeItem, type NodeOrder, NodeParams, OrgParams } from '@voiceoi/contracts';
import Type from 'typebox';
import type { Database } from '../database/index.ts';
import { type App, ListQuery, mustExist, Page, pageOf, pageRequest, route } from '../http/index.ts';
import type { NodeOrders } from './orders.ts';
import { getNode, listNodes } from './store.ts';

export interface NodeRouteOptions {
  readonly database: Database;
  readonly orders: NodeOrders;
  /** Brings an order to the nodes that listen, at once. It need not arrive: a node is told again when it reports. */
  readonly announce: (order: NodeOrder) => void;
  /** Silence after which a node is called lost. */
  readonly lostAfterSeconds: number;
}

/** Shows an organization's nodes, and takes them out of service and back. */
export function nodeRoutes(app: App, options: NodeRouteOptions): void {
  const { database, lostAfterSeconds } = options;

  app.get(
    '/api/orgs/:org_id/nodes',
    route({
      id: 'listNodes',
      tag: 'nodes',
      summary: 'Nodes that serve an organization',
      access: 'node.read',
      params: OrgParams,
      query: Type.Object(ListQuery, { additionalProperties: false }),
      answers: { 200: Page(NodeItem) },
    }),
    async (request) => {
      const { org_id: orgId } = request.params;
      await mustExist(database, orgId);
      const page = pageRequest(request.query, 1);
      const rows = await listNodes(database, orgId, lostAfterSeconds, page.after?.[0] ?? '', page.limit + 1);
      return pageOf(
        rows,
        page,
        (row) => row,
        (row) => [row.node_id],
      );
    },
  );

  app.get(
    '/api/orgs/:org_id/nodes/:node_id',
    route({
      id: 'getNode',
      tag: 'nodes',
      summary: 'One node',
      access: 'node.read',
      params: NodeParams,
      answers: { 200: NodeItem },
    }),
    async ({ params: { org_id: orgId, node_id: nodeId } }) => getNode(database, orgId, nodeId, lostAfterSeconds),
  );

  orderRoute(
    app,
    options,
    'drain',
    'draining',
    'Take no new calls of this organization on a node, until it is resumed',
  );
  orderRoute(app, options, 'resume', 'active', 'Take new calls of this organization on a node again');
}

/** Saying it again is no error: the order goes out once more. */
function orderRoute(
  app: App,
  { database, orders, announce, lostAfterSeconds }: NodeRouteOptions,
  verb: 'drain' | 'resume',
  state: DrainState,
  summary: string,
): void {
  app.post(
    `/api/orgs/:org_id/nodes/:node_id/${verb}`,
    route({
      id: `${verb}Node`,
      tag: 'nodes',
      summary,
      description: 'Holds over restarts of the node. Calls in flight go on.',
      access: 'node.drain',
      params: NodeParams,
      answers: { 200: NodeItem },
    }),
    async ({ params: { org_id: orgId, node_id: nodeId } }) => {
      await getNode(database, orgId, nodeId, lostAfterSeconds);
      announce(await orders.issue(orgId, nodeId, state));
      return getNode(database, orgId, nodeId, lostAfterSeconds);
    },
  );
}
