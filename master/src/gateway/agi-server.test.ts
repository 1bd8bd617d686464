import { on, once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createLogger, createMetrics } from '@voiceoi/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../test/services/free-port.ts';
import { connectTo } from '../../../test/services/raw-socket.ts';
import { type AgiGateway, type AgiGatewayOptions, startAgiGateway } from './agi-server.ts';
import { type Candidate, nodeLoads } from './node-choice.ts';

/** A node's AGI side: the sockets that came, in their order. */
interface AgiNode {
  readonly port: number;
  next(): Promise<Socket>;
  stop(): void;
}

const cleanups: (() => Promise<void> | void)[] = [];
let candidates: Candidate[];
beforeEach(() => {
  candidates = [];
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startNode(): Promise<AgiNode> {
  const arrived: Socket[] = [];
  const takers: ((socket: Socket) => void)[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    cleanups.push(() => void socket.destroy());
    const taker = takers.shift();
    if (taker) taker(socket);
    else arrived.push(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanups.push(() => void server.close());
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    next: () => {
      const socket = arrived.shift();
      return socket ? Promise.resolve(socket) : new Promise((resolve) => takers.push(resolve));
    },
    stop: () => server.close(),
  };
}

function serve(name: string, port: number, active = 0): void {
  const facts = { key: `abc/${name}`, nodeId: name, isFromLoopback: true, url: undefined, secret: undefined };
  const agi = { host: '127.0.0.1', port, isTls: false };
  candidates.push({ ...facts, agi, active, capacity: 10, reportedAt: performance.now() });
}

async function startGateway(options: Partial<AgiGatewayOptions> = {}): Promise<AgiGateway> {
  const gateway = await startAgiGateway({
    ...{ host: '127.0.0.1', port: 0, loads: nodeLoads() },
    views: { of: async (orgId) => (orgId === 'abc' ? { requestsPerSecond: 1, candidates } : undefined) },
    log: createLogger({ level: 'silent', mode: 'test' }),
    metrics: createMetrics({ mode: 'test', version: '0' }),
    ...options,
  });
  cleanups.push(() => gateway.stop(0));
  return gateway;
}

const environment = (words: string): string =>
  `agi_network: yes\nagi_network_script: agi\nagi_threadid: 1\nagi_arg_1: ${words}\n\n`;
const CALL = environment('org_id=abc');

/** Reads on until all of it is there. */
async function read(socket: Socket, expected: string): Promise<void> {
  let text = '';
  for await (const [chunk] of on(socket, 'data')) {
    text += chunk;
    if (text.length >= expected.length) break;
  }
  expect(text).toBe(expected);
}

/** A call that a node has taken. */
async function placed(options: Partial<AgiGatewayOptions> = {}) {
  const node = await startNode();
  serve('a', node.port);
  const gateway = await startGateway(options);
  const asterisk = await connectTo(gateway.port);
  asterisk.socket.write(CALL);
  const upstream = await node.next();
  await read(upstream, CALL);
  return { node, gateway, asterisk, upstream };
}

describe('a call over the AGI gateway', () => {
  test('has all its bytes carried both ways, in whatever pieces they come', async () => {
    const node = await startNode();
    serve('a', node.port);
    const asterisk = await connectTo((await startGateway()).port);
    asterisk.socket.write(CALL.slice(0, 30));
    await new Promise(setImmediate);
    asterisk.socket.write(`${CALL.slice(30)}200 early\n`);
    const upstream = await node.next();
    await read(upstream, `${CALL}200 early\n`);
    upstream.write('ANSWER\n');
    expect(await asterisk.until('ANSWER\n')).toBe('ANSWER\n');
    asterisk.socket.write('200 result=0\n');
    await read(upstream, '200 result=0\n');
  });

  test('may carry much, which waits while nobody reads it', async () => {
    const { asterisk, upstream } = await placed();
    const much = 'x'.repeat(8 * 1024 * 1024);
    asterisk.socket.end(much);
    await read(upstream, much);
  });

  test('ends in one direction alone when one side has said all', async () => {
    const { asterisk, upstream } = await placed();
    asterisk.socket.end();
    await once(upstream, 'end');
    upstream.end('SET VARIABLE late\n');
    expect(await asterisk.ended()).toBe('SET VARIABLE late\n');
  });

  test('is cut when the other side stays after that', async () => {
    const { asterisk, upstream } = await placed({ halfClosedMs: 50 });
    upstream.end();
    await asterisk.ended();
    await once(upstream.resume(), 'close');
  });

  test('is reset when its node or its caller resets it', async () => {
    const first = await placed();
    first.upstream.resetAndDestroy();
    await expect(first.asterisk.ended()).rejects.toMatchObject({ code: 'ECONNRESET' });
    candidates = [];
    const second = await placed();
    const reset = new Promise<NodeJS.ErrnoException>((resolve) => second.upstream.once('error', resolve));
    second.asterisk.socket.resetAndDestroy();
    expect((await reset).code).toBe('ECONNRESET');
  });

  test('goes to the least busy node, counting those that this gateway has sent, and to the next when one is not there', async () => {
    const [a, b] = [await startNode(), await startNode()];
    serve('gone', await freePort());
    serve('a', a.port, 1);
    serve('b', b.port, 2);
    const gateway = await startGateway();
    const came: string[] = [];
    const next = { a: a.next(), b: b.next() };
    for (let i = 0; i < 4; i++) {
      const asterisk = await connectTo(gateway.port);
      cleanups.push(() => void asterisk.socket.destroy());
      asterisk.socket.write(CALL);
      const name = await Promise.race([next.a.then(() => 'a' as const), next.b.then(() => 'b' as const)]);
      next[name] = (name === 'a' ? a : b).next();
      came.push(name);
    }
    expect(came[0]).toBe('a');
    expect(came.filter((name) => name === 'a').length).toBeGreaterThanOrEqual(2);
    expect(came).toContain('b');
  });
});

describe('a call that cannot be passed on gets one line of failure', () => {
  async function said(words: string, options: Partial<AgiGatewayOptions> = {}): Promise<string> {
    const asterisk = await connectTo((await startGateway(options)).port);
    asterisk.socket.write(words);
    const text = await asterisk.ended();
    asterisk.socket.end();
    return text;
  }

  test('when it names no organization, or one that is not there', async () => {
    expect(await said(environment('campaign_id=1'))).toBe('failure the call names no org_id\n');
    expect(await said(environment('org_id=nowhere'))).toBe(
      'failure no node of the organization is ready and has room\n',
    );
  });

  test('when no node is there, or none can be reached', async () => {
    expect(await said(CALL)).toMatch(/^failure no node/);
    serve('gone', await freePort());
    expect(await said(CALL)).toMatch(/^failure no node/);
  });

  test('when its environment is too long, or does not come to its end', async () => {
    expect(await said(`agi_x: ${'x'.repeat(70_000)}`)).toMatch(/^failure an environment of more/);
    expect(await said('agi_network: yes\n', { environmentMs: 50 })).toMatch(/^failure the environment did not/);
  });

  test('when the database cannot be asked', async () => {
    const views = { of: () => Promise.reject(new Error('away')) };
    expect(await said(CALL, { views })).toMatch(/^failure the gateway cannot/);
  });

  test('when a node says that it is where the gateway is', async () => {
    const port = await freePort();
    serve('loop', port);
    expect(await said(CALL, { port })).toMatch(/^failure this call comes from the gateway itself/);
  });
});

test('a connection that says nothing is closed without a word', async () => {
  const asterisk = await connectTo((await startGateway({ environmentMs: 50 })).port);
  expect(await asterisk.ended()).toBe('');
});

test('beyond the most connections a new one is closed', async () => {
  const gateway = await startGateway({ maxConnections: 1 });
  const kept = await connectTo(gateway.port);
  const second = await connectTo(gateway.port);
  await second.ended().catch(() => {});
  expect(kept.socket.destroyed).toBe(false);
  kept.socket.destroy();
});

test('a gateway that stops takes no more calls, and lets those that are on go on for its time', async () => {
  const { gateway, asterisk, upstream } = await placed();
  const stopped = gateway.stop(60_000);
  await expect(connectTo(gateway.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  upstream.write('ANSWER\n');
  await asterisk.until('ANSWER\n');
  upstream.end();
  asterisk.socket.end();
  await stopped;
});
