import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A connection of which a test says every byte. */
export interface RawSocket {
  readonly socket: Socket;
  /** All that has come, once it ends with this. */
  until(ending: string): Promise<string>;
  /** All that has come, once the other side has ended; rejects with the error of a connection that broke. */
  ended(): Promise<string>;
}

/** Connects, and reads on; the side that writes stays open when the other ends. */
export async function connectTo(port: number): Promise<RawSocket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  let text = '';
  const end = new Promise<string>((resolve, reject) => {
    socket.once('end', () => resolve(text));
    socket.once('error', reject);
  });
  // A test that does not ask for the end does not care how it came.
  end.catch(() => {});
  socket.on('data', (chunk) => {
    text += chunk;
    socket.emit('grown');
  });
  return {
    socket,
    until: async (ending) => {
      while (!text.endsWith(ending)) await once(socket, 'grown');
      return text;
    },
    ended: () => end,
  };
}
