import type { ServerSentEvent } from './server-sent-events.ts';

/** What the master has answered. */
export type MasterAnswer =
  | { readonly kind: 'bundle'; readonly bundle: unknown; readonly etag: string | undefined }
  | { readonly kind: 'changes'; readonly changes: readonly unknown[] }
  | { readonly kind: 'current' };

/** Where a node is, so that the master knows what it lacks. */
export interface Position {
  readonly epoch: string;
  readonly revision: number;
}

/** The master could not be asked, or refused. `status` is 0 when no answer came. Identify it by `code`. */
export class MasterError extends Error {
  readonly code = 'MASTER';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Where an organization's configuration comes from. */
export interface ConfigSource {
  /** The whole bundle, or that the one with this ETag is current. @throws MasterError */
  fetchWhole(etag: string | undefined, signal: AbortSignal): Promise<MasterAnswer>;
  /** What has changed since a revision. @throws MasterError */
  fetchSince(since: Position, signal: AbortSignal): Promise<MasterAnswer>;
  /** Events as they come, until the stream ends or `signal` is aborted. @throws MasterError */
  stream(since: Position | undefined, signal: AbortSignal): AsyncIterable<ServerSentEvent>;
  /** How far the master's clock is ahead of ours, in milliseconds, as last seen: for the propagation metric alone. */
  clockSkewMs(): number;
}
