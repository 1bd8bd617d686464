import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../services/fault-proxy.ts';

/** Says something to everybody, and closes. */
async function says(words: readonly string[]): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer(async (socket) => {
    for (const word of words) {
      socket.write(word);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    socket.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

describe('a fault proxy', () => {
  let first: Awaited<ReturnType<typeof says>>;
  let second: Awaited<ReturnType<typeof says>>;
  let proxy: FaultProxy;
  beforeEach(async () => {
    first = await says(['one ', 'two ', 'three']);
    second = await says(['other']);
    proxy = await startFaultProxy({ host: '127.0.0.1', port: first.port });
  });
  afterEach(async () => {
    await proxy.close();
    first.server.close();
    second.server.close();
  });
  const hear = (): Promise<string> => text(connect(proxy.port, '127.0.0.1'));

  test('loses what holds a text, and nothing else', async () => {
    proxy.set({ kind: 'lose', text: 'two' });
    expect(await hear()).toBe('one three');
    proxy.set({ kind: 'none' });
    expect(await hear()).toBe('one two three');
  });

  test('is slow with everything, and loses nothing at the end', async () => {
    proxy.set({ kind: 'slow', delayMs: 100 });
    const startedAt = performance.now();
    expect(await hear()).toBe('one two three');
    expect(performance.now() - startedAt).toBeGreaterThan(100);
  });

  test('leads new connections elsewhere when it is aimed anew', async () => {
    expect(await hear()).toBe('one two three');
    proxy.aim({ host: '127.0.0.1', port: second.port });
    expect(await hear()).toBe('other');
  });
});
