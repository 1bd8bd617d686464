import type { Socket } from 'node:net';
import { AgiRequestReader } from './agi-request.ts';

/** What a connection began with. */
export type AgiRequest =
  | { readonly kind: 'request'; readonly orgId: string; readonly bytes: Buffer }
  | { readonly kind: 'refused'; readonly reason: string }
  /** It has closed before, or said nothing in time. */
  | { readonly kind: 'gone' };

/** An environment that has no known end is over when this much silence follows, as at a node. */
const PERHAPS_MS = 100;

/** Reads as far as it takes to know whose call it is. The socket is paused then, and what else comes stays in it. */
export function readAgiRequest(socket: Socket, withinMs: number): Promise<AgiRequest> {
  return new Promise((resolve) => {
    const reader = new AgiRequestReader();
    let perhaps: NodeJS.Timeout | undefined;
    const finish = (request: AgiRequest): void => {
      clearTimeout(timer);
      clearTimeout(perhaps);
      socket.pause();
      socket.off('data', onData);
      for (const event of ['end', 'close'] as const) socket.off(event, onGone);
      resolve(request);
    };
    const complete = (): void => finish({ kind: 'request', orgId: reader.orgId(), bytes: reader.bytes() });
    const onGone = (): void => finish({ kind: 'gone' });
    const onData = (chunk: Buffer): void => {
      clearTimeout(perhaps);
      const { kind } = reader.push(chunk);
      if (kind === 'complete') complete();
      else if (kind === 'perhaps') perhaps = setTimeout(complete, PERHAPS_MS);
      else if (kind === 'too_long') finish({ kind: 'refused', reason: 'an environment of more than 64 KiB' });
    };
    const onLate = (): void =>
      finish(
        reader.bytes().length === 0
          ? { kind: 'gone' }
          : { kind: 'refused', reason: 'the environment did not come to its end' },
      );
    const timer = setTimeout(onLate, withinMs);
    socket.on('data', onData);
    for (const event of ['end', 'close'] as const) socket.once(event, onGone);
  });
}
