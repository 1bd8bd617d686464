import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createOutbound, type Outbound } from './request.ts';
import type { HttpEffect } from './send.ts';

let server: Server;
let port: number;
let requests: (IncomingMessage & { body?: string })[];
let answer: (response: ServerResponse, count: number) => void;
let outbound: Outbound;
let resolved: string[];

beforeEach(async () => {
  requests = [];
  resolved = [];
  answer = (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
  server = createServer(async (request: IncomingMessage & { body?: string }, response) => {
    request.body = '';
    for await (const chunk of request) request.body += chunk;
    requests.push(request);
    answer(response, requests.length);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
  outbound = createOutbound({
    resolve: async (name) => {
      resolved.push(name);
      if (name === 'hangs.test') return new Promise(() => {});
      if (name === 'mixed.test') return ['93.184.216.34', '127.0.0.1'];
      if (name === 'none.test') throw new Error('ENOTFOUND');
      return ['127.0.0.1'];
    },
  });
});
afterEach(() => {
  outbound.close();
  server.close();
  server.closeAllConnections();
});

const never = new AbortController().signal;
function send(changed: Partial<HttpEffect> = {}, allow: readonly string[] = ['127.0.0.0/8'], signal = never) {
  const url = `http://127.0.0.1:${port}/hook?a=1`;
  const masked = { url: changed.url ?? url, headers: {} };
  const effect: HttpEffect = { kind: 'http', method: 'GET', url, headers: {}, timeout_ms: 1000, retries: 0, masked };
  return outbound.send({ ...effect, ...changed }, allow, signal);
}

describe('a script’s request', () => {
  test('goes out with its method, path, body and headers, and brings status, headers and parsed JSON', async () => {
    const headers = { Authorization: 'Bearer x', 'X-Thing': 'a' };
    const result = await send({ method: 'POST', body: '{"n":1}', headers });
    expect(result).toMatchObject({ kind: 'response', status: 200, body: { ok: true } });
    expect(result).toMatchObject({ headers: { 'content-type': 'application/json' } });
    const [request] = requests;
    expect(request).toMatchObject({ method: 'POST', url: '/hook?a=1', body: '{"n":1}' });
    expect(request?.headers).toMatchObject({
      authorization: 'Bearer x',
      'x-thing': 'a',
      'content-type': 'application/json',
      'content-length': '7',
      'user-agent': 'VoiceOI',
      host: `127.0.0.1:${port}`,
    });
  });

  test.each([
    ['text/plain', '{"ok":true}', '{"ok":true}'],
    ['application/problem+json; charset=utf-8', '{"ok":true}', { ok: true }],
    ['application/json', 'not json', 'not json'],
    ['application/json', '', ''],
  ])('takes a body of %s, %j, as %j', async (type, text, body) => {
    answer = (response) => response.writeHead(404, { 'content-type': type }).end(text);
    expect(await send()).toMatchObject({ kind: 'response', status: 404, body });
  });

  test('cannot smuggle headers, nor set those of the connection', async () => {
    const headers = { 'X-A': 'one\r\nX-B: two\0☎', Host: 'other.example', 'Content-Length': '5', Connection: 'close' };
    expect(await send({ headers })).toMatchObject({ kind: 'response' });
    expect(requests[0]?.headers).toMatchObject({ 'x-a': 'oneX-B: two', host: `127.0.0.1:${port}` });
    expect(requests[0]?.headers['x-b']).toBeUndefined();
    expect(await send({ headers: { 'bad name': 'x' } })).toMatchObject({ kind: 'failed' });
    expect(requests).toHaveLength(1);
  });

  test('follows no redirect', async () => {
    answer = (response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    expect(await send()).toMatchObject({ kind: 'response', status: 302 });
    expect(requests).toHaveLength(1);
  });

  test('fails for an answer that is too long, whether or not it says so, and when it breaks off', async () => {
    answer = (response) => response.end('x'.repeat(64 * 1024 + 1));
    expect(await send()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('65536 bytes') });
    answer = (response) => response.end('x'.repeat(64 * 1024));
    expect(await send()).toMatchObject({ kind: 'response' });
    answer = (response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    };
    expect(await send()).toMatchObject({ kind: 'failed' });
  });

  test('times out for a server that hangs, drips, or cannot be found', async () => {
    answer = () => {};
    expect(await send({ timeout_ms: 30 })).toEqual({ kind: 'timeout' });
    answer = (response) => {
      const drip = setInterval(() => response.write('x'), 5);
      response.once('close', () => clearInterval(drip));
    };
    expect(await send({ timeout_ms: 60 })).toEqual({ kind: 'timeout' });
    expect(await send({ timeout_ms: 30, url: 'http://hangs.test/' }, ['hangs.test'])).toEqual({ kind: 'timeout' });
  });

  test('ends at once when nobody waits for it any more', async () => {
    answer = () => {};
    const stop = new AbortController();
    const sent = send({ timeout_ms: 10_000, retries: 3 }, ['127.0.0.1'], stop.signal);
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    stop.abort();
    expect(await sent).toMatchObject({ kind: 'failed' });
    expect(requests).toHaveLength(1);
    expect(await send({ retries: 3 }, ['127.0.0.1'], stop.signal)).toMatchObject({ kind: 'failed' });
    expect(requests).toHaveLength(1);
  });

  test('is tried again as often as it says for 5xx, 429 and lost connections, never for 4xx', async () => {
    answer = (response, count) => {
      if (count === 1) response.writeHead(503).end();
      else if (count === 2) response.writeHead(429).end();
      else if (count === 3) response.destroy();
      else response.end('done');
    };
    expect(await send({ retries: 3 })).toMatchObject({ kind: 'response', status: 200, body: 'done' });
    expect(requests).toHaveLength(4);
    answer = (response) => response.writeHead(400).end();
    expect(await send({ retries: 3 })).toMatchObject({ status: 400 });
    expect(requests).toHaveLength(5);
    answer = (response) => response.writeHead(500).end();
    expect(await send({ retries: 1 })).toMatchObject({ status: 500 });
    expect(requests).toHaveLength(7);
  });

  test('keeps connections, and takes a new one for a kept one that was just closed', async () => {
    let connections = 0;
    server.on('connection', () => connections++);
    await send();
    await send({ method: 'POST', body: '{}' });
    expect(connections).toBe(1);
    answer = (response, count) => (count === 3 ? response.socket?.resetAndDestroy() : response.end('again'));
    expect(await send()).toMatchObject({ kind: 'response', body: 'again' });
    expect(connections).toBe(2);
  });
});

describe('the guard', () => {
  test.each([
    'http://127.0.0.1:PORT/',
    'http://2130706433:PORT/',
    'http://0x7f.1:PORT/',
    'http://[::1]:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://[64:ff9b::7f00:1]:PORT/',
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://100.64.0.1/',
    'http://0.0.0.0:PORT/',
    'http://localhost.:PORT/',
    'http://internal.test:PORT/',
    'http://mixed.test:PORT/',
  ])('keeps %s from being reached', async (url) => {
    const result = await send({ url: url.replace('PORT', String(port)), retries: 2 }, []);
    expect(result).toMatchObject({ kind: 'failed', reason: expect.stringContaining('webhook_allow') });
    expect(requests).toHaveLength(0);
  });

  test.each(['file:///etc/passwd', 'ftp://example.com/', 'gopher://x', 'no url', ''])('knows no %j', async (url) => {
    expect(await send({ url })).toMatchObject({ kind: 'failed', reason: 'the url is no http address' });
  });

  test('lets through what webhook_allow names, by block or by name, and asks for the name once', async () => {
    expect(await send({ url: `http://internal.test:${port}/` }, ['127.0.0.1/32'])).toMatchObject({ status: 200 });
    expect(await send({ url: `http://INTERNAL.test:${port}/` }, ['Internal.Test'])).toMatchObject({ status: 200 });
    expect(requests[1]?.headers.host).toBe(`internal.test:${port}`);
    expect(resolved).toEqual(['internal.test', 'internal.test']);
    expect(await send({ url: `http://internal.test:${port}/` }, ['10.0.0.0/8', 'other.test'])).toMatchObject({
      kind: 'failed',
    });
  });

  test('says that a name cannot be resolved, and tries that again', async () => {
    expect(await send({ url: 'http://none.test/', retries: 1 })).toMatchObject({
      kind: 'failed',
      reason: 'none.test cannot be resolved',
    });
    expect(resolved).toEqual(['none.test', 'none.test']);
  });
});
