import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Two ends of one real TCP connection: the one that a server accepted, and Asterisk's. */
export interface SocketPair {
  readonly accepted: Socket;
  readonly asterisk: Socket;
}

/** Makes connections of which a test holds both ends. */
export interface Loopback {
  pair(): Promise<SocketPair>;
  /** Stops, with all that is still open. */
  close(): Promise<void>;
}

export async function startLoopback(): Promise<Loopback> {
  const open = new Set<Socket>();
  const takers: ((socket: Socket) => void)[] = [];
  const server = createServer({ noDelay: true }, (socket) => takers.shift()?.(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    pair: async () => {
      const taken = new Promise<Socket>((resolve) => takers.push(resolve));
      const asterisk = connect({ port, host: '127.0.0.1', noDelay: true });
      open.add(asterisk);
      asterisk.on('error', () => {});
      asterisk.on('close', () => open.delete(asterisk));
      return { accepted: await taken, asterisk };
    },
    close: () => {
      for (const asterisk of open) asterisk.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** What the peer does about a command: its writes, one by one, or its end. */
export type Answer = readonly (string | Buffer)[] | 'end' | 'reset';

/** Answers every command line as told, one after the other; gives the lines that came, which grow while it plays. */
export function playAsterisk(asterisk: Socket, answerTo: (line: string, index: number) => Answer): readonly string[] {
  const lines: string[] = [];
  let text = '';
  let answering = Promise.resolve();
  asterisk.on('data', (chunk) => {
    const whole = `${text}${chunk}`.split('\n');
    text = whole.pop() ?? '';
    for (const line of whole) {
      const answer = answerTo(line, lines.push(line) - 1);
      answering = answering.then(() => give(asterisk, answer));
    }
  });
  return lines;
}

/** Each write has a turn of the event loop of its own, so that it is mostly a read of its own. */
async function give(asterisk: Socket, answer: Answer): Promise<void> {
  if (answer === 'end') asterisk.end();
  else if (answer === 'reset') asterisk.resetAndDestroy();
  else
    for (const bytes of answer) {
      if (asterisk.writable) asterisk.write(bytes);
      await new Promise(setImmediate);
    }
}
