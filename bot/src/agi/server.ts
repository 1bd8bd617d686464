import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { cidrMatcher, type Logger, type Metrics } from '@voiceoi/kernel';
import type { CallDesk } from '../calls/index.ts';
import { OpenSessions } from './open-sessions.ts';
import { AgiSession, type SessionOptions } from './session.ts';

/** What an AGI server needs. */
export interface AgiServerOptions {
  readonly host: string;
  readonly port: number;
  readonly desk: CallDesk;
  /** Who may connect; empty: everyone. */
  readonly allowedCidrs?: readonly string[];
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How long an environment may take to arrive; 5,000 by default. */
  readonly environmentTimeoutMs?: number;
  /** Connections at once, calls or not; beyond it new ones are closed. 50,000 by default. */
  readonly maxConnections?: number;
}

/** A running AGI server; `port` is the one it got. */
export interface AgiServer {
  readonly port: number;
  /** Open connections, calls or not. */
  connections(): number;
  /** Stops listening and closes what is open. */
  close(): Promise<void>;
}

/** Time limits are looked at this often. */
const SWEEP_MS = 100;
/** Connections that the system holds while the process is busy: a full queue costs a caller two seconds (facts of FastAGI). */
const BACKLOG = 4096;
const MOST_CONNECTIONS = 50_000;

/**
 * Listens for FastAGI.
 * @throws the listening error, with its `code`
 */
export async function startAgiServer(options: AgiServerOptions): Promise<AgiServer> {
  const sessions = new OpenSessions<AgiSession>();
  const accept = acceptor(options, sessions);
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, accept);
  server.maxConnections = options.maxConnections ?? MOST_CONNECTIONS;
  await listen(server, options);
  const sweep = setInterval(() => {
    const now = performance.now();
    sessions.forEach((session) => {
      session.sweep(now);
    });
  }, SWEEP_MS);
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => sessions.size,
    close: () => {
      clearInterval(sweep);
      return closeServer(server, sessions);
    },
  };
}

function acceptor(options: AgiServerOptions, sessions: OpenSessions<AgiSession>): (socket: Socket) => void {
  const { desk, log, metrics, allowedCidrs = [], environmentTimeoutMs = 5000 } = options;
  const isAllowed = allowedCidrs.length > 0 ? cidrMatcher(allowedCidrs) : undefined;
  const rejected = metrics.counter(
    'voiceoi_agi_connections_rejected_total',
    'Connections that AGI_ALLOWED_CIDRS does not allow',
    [],
  );
  const refused = metrics.counter('voiceoi_calls_refused_total', 'Calls that were not taken', ['reason']);
  const onBadRequest = (): void => refused.inc({ reason: 'bad_request' });
  const sessionOptions: SessionOptions = { desk, log, environmentTimeoutMs, onBadRequest };
  return (socket) => {
    const session = new AgiSession(socket, sessionOptions);
    sessions.add(session);
    // A reset or a broken pipe at any time; `close` follows.
    socket.on('error', () => session.destroy());
    socket.on('close', () => {
      sessions.remove(session);
      session.closed();
    });
    // The address is asked of the system, so only when it matters.
    if (!isAllowed || isAllowed(socket.remoteAddress ?? '')) return;
    rejected.inc();
    session.turnAway('this address is not allowed');
  };
}

function listen(server: Server, { host, port, log }: AgiServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      // Out of file descriptors, say: the connection is lost, the server is not.
      server.on('error', (error) => log.error({ err: error }, 'the AGI port could not accept a connection'));
      resolve();
    });
  });
}

function closeServer(server: Server, sessions: OpenSessions<AgiSession>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    sessions.forEach((session) => {
      session.destroy();
    });
  });
}
