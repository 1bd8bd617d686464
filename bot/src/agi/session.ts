import type { Socket } from 'node:net';
import type { Logger } from '@voiceoi/kernel';
import type { Admission, CallChannel, CallDesk, IncomingCall } from '../calls/index.ts';
import { readCallRequest } from './call-request.ts';
import { AgiChannel } from './channel.ts';
import { AgiConnection } from './connection.ts';
import { type AgiEnvironment, type EnvironmentProgress, EnvironmentReader } from './environment.ts';

/** What every session of a server uses. */
export interface SessionOptions {
  readonly desk: CallDesk;
  readonly log: Logger;
  readonly environmentTimeoutMs: number;
  /** Counts what never got to the desk. */
  readonly onBadRequest: () => void;
}

/** How long an environment that may be over is given to go on. */
const PERHAPS_MS = 200;

/** One connection as the server sees it: reads its environment, offers the call to the desk, and then only passes bytes on. */
export class AgiSession {
  /** Where it stands among the open ones. */
  place = -1;
  readonly #connection: AgiConnection;
  readonly #options: SessionOptions;
  readonly #acceptedAt: number;
  /** `performance.now()` by which the environment is to be there. */
  readonly #environmentBy: number;
  #reader: EnvironmentReader | undefined = new EnvironmentReader();
  #perhaps: AgiEnvironment | undefined;
  #hasSaidAnything = false;

  constructor(socket: Socket, options: SessionOptions) {
    const now = performance.now();
    this.#options = options;
    this.#acceptedAt = now;
    this.#connection = new AgiConnection(socket, now);
    this.#environmentBy = now + options.environmentTimeoutMs;
    this.#connection.deadline = this.#environmentBy;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /** Refuses a connection that nothing is read of. */
  turnAway(reason: string): void {
    this.#reader = undefined;
    this.#refuse(reason);
  }

  /** Ends what has gone on for too long. `now` is `performance.now()`. */
  sweep(now: number): void {
    if (now < this.#connection.deadline) return;
    if (this.#perhaps) this.#begin(this.#perhaps);
    else if (this.#reader && this.#hasSaidAnything) this.#refuseEnvironment('the environment did not come to its end');
    else this.#connection.expire();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  /** The socket has closed. */
  closed(): void {
    this.#reader = undefined;
    this.#perhaps = undefined;
    this.#connection.closed();
  }

  #receive(chunk: Buffer): void {
    if (!this.#reader) return this.#connection.receive(chunk);
    this.#hasSaidAnything = true;
    this.#progress(this.#reader.push(chunk));
  }

  #progress(progress: EnvironmentProgress): void {
    this.#perhaps = undefined;
    switch (progress.kind) {
      case 'more':
        this.#connection.deadline = this.#environmentBy;
        return;
      case 'perhaps':
        this.#perhaps = progress.environment;
        this.#connection.deadline = Math.min(this.#environmentBy, performance.now() + PERHAPS_MS);
        return;
      case 'complete':
        this.#begin(progress.environment);
        if (progress.rest.length > 0) this.#connection.receive(progress.rest);
        return;
      case 'refused':
        return this.#refuseEnvironment(progress.reason);
      default:
        progress satisfies never;
    }
  }

  #begin(environment: AgiEnvironment): void {
    this.#reader = undefined;
    this.#perhaps = undefined;
    this.#connection.deadline = Number.POSITIVE_INFINITY;
    const request = readCallRequest(environment, this.#acceptedAt);
    if ('refused' in request) return this.#refuseEnvironment(request.refused);
    const admission = this.#admit(request.call);
    if (admission.kind === 'refused') return void this.#refuseCall(admission);
    void this.#play(admission.run);
  }

  /** Whatever becomes of a call, its connection does not outlive it. */
  async #play(run: (channel: CallChannel) => Promise<void>): Promise<void> {
    try {
      await run(new AgiChannel(this.#connection));
    } catch (error) {
      this.#options.log.error({ err: error }, 'a call ended in an unexpected error');
    }
    this.#connection.end();
  }

  #admit(call: IncomingCall): Admission {
    try {
      return this.#options.desk.admit(call);
    } catch (error) {
      this.#options.log.error({ err: error }, 'a call could not be admitted');
      return { kind: 'refused', reason: 'script_broken', detail: 'unexpected error' };
    }
  }

  async #refuseCall({ detail, settled }: Extract<Admission, { kind: 'refused' }>): Promise<void> {
    if (settled) await settled;
    this.#refuse(detail);
  }

  #refuseEnvironment(reason: string): void {
    this.#reader = undefined;
    this.#options.onBadRequest();
    this.#options.log.info({ reason }, 'AGI request refused');
    this.#refuse(reason);
  }

  /** Asterisk sets AGISTATUS to FAILURE for a line that begins so; a plain close would read as SUCCESS. */
  #refuse(reason: string): void {
    this.#connection.end(`failure ${reason.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)}\n`);
  }
}
