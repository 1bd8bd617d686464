import { connect, type Socket } from 'node:net';
import { guardedLookup, type NodeAddress } from './addresses.ts';

/** Connects to a node's AGI port; undefined when it cannot be reached in time. Half-open, and paused until it is piped. */
export function dial(
  { host, port }: NodeAddress,
  isFromLoopback: boolean,
  timeoutMs: number,
): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      ...{ host, port, lookup: guardedLookup(isFromLoopback), allowHalfOpen: true },
      ...{ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 },
    });
    const finish = (result: Socket | undefined): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      // Something may still come of a connection that nobody waits for.
      socket.on('error', () => {});
      if (!result) socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    socket.once('connect', () => finish(socket));
    socket.once('error', () => finish(undefined));
  });
}
