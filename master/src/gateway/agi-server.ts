import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Counter, Logger, Metrics } from '@voiceoi/kernel';
import { dial } from './dial.ts';
import { joinSockets } from './join-sockets.ts';
import type { NodeLoads } from './node-choice.ts';
import type { OrgViews } from './org-views.ts';
import { readAgiRequest } from './read-agi-request.ts';

export interface AgiGatewayOptions {
  readonly host: string;
  readonly port: number;
  readonly views: OrgViews;
  readonly loads: NodeLoads;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** For an environment to arrive; 5,000 by default, as at a node. */
  readonly environmentMs?: number;
  /** For a connection to a node. */
  readonly connectMs?: number;
  /** How long one side may stay when the other has said all. */
  readonly halfClosedMs?: number;
  readonly maxConnections?: number;
}

/** A running AGI gateway; `port` is the one it got. */
export interface AgiGateway {
  readonly port: number;
  /** Takes no new calls; those that are on end by themselves within this time, or are cut. */
  stop(withinMs: number): Promise<void>;
}

const BACKLOG = 4096;
/** Each takes two file descriptors. */
const MOST_CONNECTIONS = 20_000;
/** A dead machine must not be dead air for longer than a caller waits. */
const CONNECT_MS = 2_000;
const HALF_CLOSED_MS = 30_000;
const ENVIRONMENT_MS = 5_000;
/** Connections that failed in vain before a caller is told. */
const MOST_TRIES = 4;
/** What was not read turns a close into a reset, which can overtake the last words. */
const LAST_WORDS_MS = 2_000;

/**
 * Listens for FastAGI and passes each call on to a node of its organization.
 * @throws the listening error, with its `code`
 */
export async function startAgiGateway(options: AgiGatewayOptions): Promise<AgiGateway> {
  const { host, port, log, metrics } = options;
  const open = new Set<Socket>();
  const outcomes = metrics.counter('voiceoi_gateway_calls_total', 'Calls over the AGI gateway', ['outcome']);
  const ours = new Set<string>();
  const server = createServer(
    { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 },
    (socket) => {
      open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => open.delete(socket));
      new GatewayCall(socket, options, ours, outcomes).run().catch((error: unknown) => {
        outcomes.inc({ outcome: 'error' });
        log.error({ err: error }, 'a call of the AGI gateway failed');
        refuse(socket, 'the gateway cannot take calls now');
      });
    },
  );
  server.maxConnections = options.maxConnections ?? MOST_CONNECTIONS;
  server.on('drop', () => outcomes.inc({ outcome: 'dropped' }));
  await listen(server, host, port);
  server.on('error', (error) => log.error({ err: error }, 'the AGI gateway could not accept a connection'));
  return {
    port: (server.address() as AddressInfo).port,
    stop: (withinMs) => stop(server, open, withinMs),
  };
}

class GatewayCall {
  readonly #socket: Socket;
  readonly #options: AgiGatewayOptions;
  /** Our own ends of connections to nodes: one that comes in from there is one that went out from here. */
  readonly #ours: Set<string>;
  readonly #outcomes: Counter<'outcome'>;

  constructor(socket: Socket, options: AgiGatewayOptions, ours: Set<string>, outcomes: Counter<'outcome'>) {
    this.#socket = socket;
    this.#options = options;
    this.#ours = ours;
    this.#outcomes = outcomes;
  }

  async run(): Promise<void> {
    const request = await readAgiRequest(this.#socket, this.#options.environmentMs ?? ENVIRONMENT_MS);
    if (request.kind === 'gone') return this.#end('gone');
    if (request.kind === 'refused') return this.#end('bad_request', request.reason);
    const isOwn = this.#ours.has(endOf(this.#socket.remoteAddress, this.#socket.remotePort));
    if (isOwn) return this.#end('loop', 'this call comes from the gateway itself: a node advertises its address');
    if (request.orgId === '') return this.#end('bad_request', 'the call names no org_id');
    await this.#pass(request.orgId, request.bytes);
  }

  async #pass(orgId: string, bytes: Buffer): Promise<void> {
    const { views, loads, log, connectMs = CONNECT_MS } = this.#options;
    const reachable = (await views.of(orgId))?.candidates.filter(({ agi }) => agi) ?? [];
    const tried = new Set<string>();
    while (tried.size < MOST_TRIES) {
      const node = loads.choose('call', reachable, tried);
      if (!node?.agi) break;
      tried.add(node.key);
      const flight = loads.start('call', node);
      const upstream = await dial(node.agi, node.isFromLoopback, connectMs);
      if (upstream && !this.#socket.destroyed) return this.#join(upstream, bytes, flight.end);
      upstream?.destroy();
      flight.end();
      if (this.#socket.destroyed) return this.#end('gone');
      loads.avoid('call', node);
      log.warn({ node: node.key }, 'a node cannot be reached over AGI');
    }
    this.#end('no_node', 'no node of the organization is ready and has room');
  }

  #join(upstream: Socket, bytes: Buffer, onClosed: () => void): void {
    const end = endOf(upstream.localAddress, upstream.localPort);
    this.#ours.add(end);
    this.#outcomes.inc({ outcome: 'passed' });
    upstream.write(bytes);
    joinSockets(this.#socket, upstream, this.#options.halfClosedMs ?? HALF_CLOSED_MS, () => {
      this.#ours.delete(end);
      onClosed();
    });
  }

  #end(outcome: string, reason?: string): void {
    this.#outcomes.inc({ outcome });
    if (reason === undefined) this.#socket.destroy();
    else refuse(this.#socket, reason);
  }
}

/** One line that Asterisk takes as a failure (contract.md, A call over AGI). A plain close would be a success. */
function refuse(socket: Socket, reason: string): void {
  if (socket.destroyed) return;
  socket.resume();
  socket.end(`failure ${reason}\n`);
  const timer = setTimeout(() => socket.destroy(), LAST_WORDS_MS);
  socket.once('end', () => socket.destroySoon());
  socket.once('close', () => clearTimeout(timer));
}

function endOf(address = '', port = 0): string {
  return `${address.replace(/^::ffff:/, '')} ${port}`;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function stop(server: Server, open: ReadonlySet<Socket>, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      for (const socket of open) socket.destroy();
    }, withinMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
