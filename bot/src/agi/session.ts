import type { Socket } from 'node:net';
import type { Logger } from '@voiceoi/kernel';
import type { CallDesk } from '../calls/index.ts';
import { readCallRequest } from './call-request.ts';
import { AgiChannel } from './channel.ts';
import { AgiConnection } from './connection.ts';
import { type AgiEnvironment, EnvironmentReader } from './environment.ts';

interface SessionOptions {
  readonly desk: CallDesk;
  readonly log: Logger;
  readonly environmentTimeoutMs: number;
}

/** How long an environment that may be over is given to go on. */
const PERHAPS_MS = 200;

/** One connection as the server sees it. */
export interface AgiSession {
  /** Ends what has gone on for too long. `now` is `performance.now()`. */
  sweep(now: number): void;
  destroy(): void;
}

/** Reads a connection's environment, offers the call to the desk, and then only passes bytes on. */
export function acceptSession(socket: Socket, options: SessionOptions): AgiSession {
  const acceptedAt = performance.now();
  const connection = new AgiConnection(socket, acceptedAt);
  let reader: EnvironmentReader | undefined = new EnvironmentReader();
  let perhaps: AgiEnvironment | undefined;
  connection.deadline = acceptedAt + options.environmentTimeoutMs;

  const begin = (environment: AgiEnvironment): void => {
    reader = undefined;
    perhaps = undefined;
    connection.deadline = Number.POSITIVE_INFINITY;
    offer(connection, environment, acceptedAt, options);
  };
  const onData = (chunk: Buffer): void => {
    if (!reader) return connection.receive(chunk);
    const progress = reader.push(chunk);
    perhaps = progress.kind === 'perhaps' ? progress.environment : undefined;
    if (progress.kind === 'perhaps') connection.limit(PERHAPS_MS);
    if (progress.kind === 'refused') {
      options.log.info({ reason: progress.reason }, 'AGI connection refused');
      connection.destroy();
    }
    if (progress.kind !== 'complete') return;
    begin(progress.environment);
    if (progress.rest.length > 0) connection.receive(progress.rest);
  };
  socket.on('data', onData);
  socket.on('error', () => connection.destroy());
  socket.on('close', () => connection.closed());
  return {
    sweep: (now) => {
      if (now < connection.deadline) return;
      if (perhaps) begin(perhaps);
      else connection.expire();
    },
    destroy: () => connection.destroy(),
  };
}

function offer(
  connection: AgiConnection,
  environment: AgiEnvironment,
  acceptedAt: number,
  { desk, log }: SessionOptions,
): void {
  const request = readCallRequest(environment, acceptedAt);
  if ('refused' in request) {
    log.info({ reason: request.refused }, 'AGI request refused');
    return refuse(connection, request.refused);
  }
  const admission = desk.admit(request.call);
  if (admission.kind === 'refused') return refuse(connection, admission.detail);
  admission.run(new AgiChannel(connection)).catch((error: unknown) => {
    log.error({ err: error }, 'a call ended in an unexpected error');
    connection.end();
  });
}

/** Asterisk sets AGISTATUS to FAILURE for a line that begins so; a plain close would read as SUCCESS. */
function refuse(connection: AgiConnection, reason: string): void {
  connection.end(`failure ${reason.replace(/[^\x20-\x7e]/g, '?')}\n`);
}
