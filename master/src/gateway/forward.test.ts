import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeNode, startFakeNode } from '../../../test/services/fake-node.ts';
import { freePort } from '../../../test/services/free-port.ts';
import { type Forwarder, forwarder, type Outgoing } from './forward.ts';

let node: FakeNode;
let forward: Forwarder;
let leave: AbortController;
beforeEach(async () => {
  node = await startFakeNode('node');
  forward = forwarder({ connectMs: 2_000, answerMs: 100 });
  leave = new AbortController();
});
afterEach(async () => {
  forward.close();
  await node.stop();
});

const outgoing = (): Outgoing => ({
  ...{ method: 'POST', path: '/webhook/abc/123', headers: {}, body: Buffer.from('{}'), signal: leave.signal },
});
const here = (port = Number(new URL(node.url).port), host = '127.0.0.1') => ({ host, port, isTls: false });

test('an answer is there with its head, and reads on as the body comes', async () => {
  const sent = await forward.send(here(), true, outgoing());
  expect(sent.kind === 'answer' && (await sent.response.toArray()).join('')).toBe('{"node":"node"}');
  expect(node.received).toMatchObject([{ method: 'POST', url: '/webhook/abc/123', body: '{}' }]);
});

test('nothing was sent where nobody listens, where a name leads nowhere, and where it leads to what is not allowed', async () => {
  const kind = async (to: ReturnType<typeof here>, isFromLoopback = true): Promise<string> =>
    (await forward.send(to, isFromLoopback, outgoing())).kind;
  expect(await kind(here(await freePort()))).toBe('unreachable');
  expect(await kind(here(80, 'nowhere.invalid'))).toBe('unreachable');
  expect(await kind(here(undefined, 'localhost'), false)).toBe('unreachable');
  expect(node.received).toEqual([]);
});

test('a node that says nothing in time has taken the request, and is told from one that breaks off', async () => {
  node.answer = () => {};
  expect(await forward.send(here(), true, outgoing())).toMatchObject({ kind: 'failed', isTimeout: true });
  node.answer = (_request, response) => response.socket?.destroy();
  expect(await forward.send(here(), true, outgoing())).toMatchObject({ kind: 'failed', isTimeout: false });
});

test('an answer that stops on its way breaks off', async () => {
  node.answer = (_request, response) => response.writeHead(200).write('half');
  const sent = await forward.send(here(), true, outgoing());
  if (sent.kind !== 'answer') throw new Error(`no answer: ${sent.kind}`);
  await expect(sent.response.toArray()).rejects.toThrow('the answer stopped');
});

test('a client that leaves takes its request with it', async () => {
  const closed = new Promise<void>((resolve) => {
    node.answer = (_request, response) => {
      response.once('close', resolve);
      leave.abort();
    };
  });
  const sent = await forward.send(here(), true, outgoing());
  expect(sent).toMatchObject({ kind: 'failed', isTimeout: false });
  await closed;
});
