import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What becomes of connections through a proxy. */
export type Fault =
  | { readonly kind: 'none' }
  /** Connections are reset, and new ones too. */
  | { readonly kind: 'drop' }
  /** Connections stand and nothing passes; new ones are taken and nothing passes through them either. */
  | { readonly kind: 'stall' }
  /** Connections that stand now never say anything again, and are never closed; new ones pass. */
  | { readonly kind: 'half-open' }
  /** Everything is this much later. */
  | { readonly kind: 'slow'; readonly delayMs: number };

/** A TCP proxy on loopback whose connections can be made to fail. */
export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  /** From now on; what waits is let go with `none`. */
  set(fault: Fault): void;
  connections(): number;
  close(): Promise<void>;
}

interface Pair {
  readonly sockets: readonly [Socket, Socket];
  /** Nothing passes any more, whatever is set. */
  isDead: boolean;
}

export async function startFaultProxy(target: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  let fault: Fault = { kind: 'none' };

  const isHeld = (pair: Pair): boolean => pair.isDead || fault.kind === 'stall';
  const pass = (pair: Pair, from: Socket, to: Socket): void => {
    from.on('data', (chunk) => {
      const write = (): void => void (to.destroyed || pair.isDead || to.write(chunk));
      if (fault.kind === 'slow') setTimeout(write, fault.delayMs);
      else write();
    });
    from.on('end', () => {
      if (!isHeld(pair)) to.end();
    });
    from.on('error', () => {});
    from.on('close', () => {
      pairs.delete(pair);
      if (!isHeld(pair)) to.destroy();
    });
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (fault.kind === 'drop') return void client.resetAndDestroy();
    const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
    const pair: Pair = { sockets: [client, upstream], isDead: false };
    pairs.add(pair);
    pass(pair, client, upstream);
    pass(pair, upstream, client);
    if (fault.kind === 'stall') for (const socket of pair.sockets) socket.pause();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const sockets = (): readonly Socket[] => [...pairs].flatMap((pair) => pair.sockets);
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    set: (next) => {
      fault = next;
      for (const pair of pairs) {
        if (next.kind === 'half-open') pair.isDead = true;
        apply(pair.sockets, next.kind === 'drop' ? 'reset' : isHeld(pair) ? 'pause' : 'resume');
      }
    },
    connections: () => pairs.size,
    close: async () => {
      for (const socket of sockets()) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function apply(sockets: readonly Socket[], act: 'reset' | 'pause' | 'resume'): void {
  for (const socket of sockets) {
    if (act === 'reset') socket.resetAndDestroy();
    else socket[act]();
  }
}
