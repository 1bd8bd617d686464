import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** A request as a node has received it. */
export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** The HTTP side of a node, without a script behind it. */
export interface FakeNode {
  readonly url: string;
  readonly received: readonly ReceivedRequest[];
  /** How it answers from now on. */
  answer: (request: ReceivedRequest, response: ServerResponse) => void;
  /** Connections that were made to it. */
  connections(): number;
  stop(): Promise<void>;
}

/** Answers every request with its own name until told otherwise. */
export async function startFakeNode(name: string): Promise<FakeNode> {
  const received: ReceivedRequest[] = [];
  let connections = 0;
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString('utf8');
    const { method = '', url = '', headers } = request;
    received.push({ method, url, headers, body });
    node.answer({ method, url, headers, body }, response);
  });
  server.on('connection', () => connections++);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const node: FakeNode = {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    received,
    answer: (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ node: name }));
    },
    connections: () => connections,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return node;
}

/** What a node reports, for `POST /api/sync/status`. */
export function statusOf(orgId: string, nodeId: string, change: object = {}): object {
  return {
    ...{ node_id: nodeId, pool: 'default', version: '1.0.0', started_at: '2026-11-24T08:25:21.123Z', state: 'active' },
    ...{ advertise_url: 'http://127.0.0.1:1', advertise_agi: '127.0.0.1:1', calls: { active: 0, capacity: 100 } },
    organizations: [
      { org_id: orgId, state: 'active', epoch: 'e', applied: 0, age_seconds: 0, source: 'poll', rejected: [] },
    ],
    spool: { bytes: 0, dropped: 0, dead_letters: 0 },
    ...change,
  };
}
