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
  /** Everything is this much later, the end too. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** What arrives at once and holds this text is lost; the connection stands, and all else passes. */
  | { readonly kind: 'lose'; readonly text: string };

/** A TCP proxy on loopback whose connections can be made to fail. */
export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  /** New connections lead there; those that stand stay where they are. */
  aim(target: Target): void;
  /** From now on; what waits is let go with `none`. */
  set(fault: Fault): void;
  connections(): number;
  close(): Promise<void>;
}

interface Target {
  readonly host: string;
  readonly port: number;
}

interface Pair {
  readonly sockets: readonly [Socket, Socket];
  /** Nothing passes any more, whatever is set. */
  isDead: boolean;
}

export async function startFaultProxy(first: Target): Promise<FaultProxy> {
  let target = first;
  const pairs = new Set<Pair>();
  let fault: Fault = { kind: 'none' };

  const isHeld = (pair: Pair): boolean => pair.isDead || fault.kind === 'stall';
  const later = (act: () => void): void => {
    if (fault.kind === 'slow') setTimeout(act, fault.delayMs);
    else act();
  };
  const pass = (pair: Pair, from: Socket, to: Socket): void => {
    from.on('data', (chunk) => {
      if (fault.kind === 'lose' && chunk.includes(fault.text)) return;
      later(() => void (to.destroyed || pair.isDead || to.write(chunk)));
    });
    from.on('end', () => {
      if (!isHeld(pair)) later(() => to.end());
    });
    from.on('error', () => {});
    from.on('close', () => {
      pairs.delete(pair);
      if (!isHeld(pair)) later(() => to.destroy());
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
    aim: (next) => {
      target = next;
    },
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
