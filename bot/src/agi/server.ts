import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { cidrMatcher, type Logger, type Metrics } from '@voiceoi/kernel';
import type { CallDesk } from '../calls/index.ts';
import { type AgiSession, acceptSession } from './session.ts';

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
const BACKLOG = 1024;

/**
 * Listens for FastAGI.
 * @throws the listening error, with its `code`
 */
export async function startAgiServer(options: AgiServerOptions): Promise<AgiServer> {
  const sessions = new Set<AgiSession>();
  const isAllowed = options.allowedCidrs?.length ? cidrMatcher(options.allowedCidrs) : () => true;
  const rejected = options.metrics.counter(
    'voiceoi_agi_connections_rejected_total',
    'Connections that AGI_ALLOWED_CIDRS does not allow',
    [],
  );
  const server = createServer(
    { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000, allowHalfOpen: false },
    (socket: Socket) => {
      if (!isAllowed(socket.remoteAddress ?? '')) {
        rejected.inc();
        socket.destroy();
        return;
      }
      const session = acceptSession(socket, {
        desk: options.desk,
        log: options.log,
        environmentTimeoutMs: options.environmentTimeoutMs ?? 5000,
      });
      sessions.add(session);
      socket.once('close', () => sessions.delete(session));
    },
  );
  await listen(server, options);
  const sweep = setInterval(() => sweepSessions(sessions), SWEEP_MS);
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => sessions.size,
    close: () => {
      clearInterval(sweep);
      return closeServer(server, sessions);
    },
  };
}

function listen(server: Server, { host, port }: AgiServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      // Out of file descriptors, say: the connection is lost, the server is not.
      server.on('error', () => {});
      resolve();
    });
  });
}

function sweepSessions(sessions: ReadonlySet<AgiSession>): void {
  const now = performance.now();
  for (const session of sessions) session.sweep(now);
}

function closeServer(server: Server, sessions: ReadonlySet<AgiSession>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const session of sessions) session.destroy();
  });
}
