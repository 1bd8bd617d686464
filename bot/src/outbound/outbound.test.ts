import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Effect } from '@voiceoi/script';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { guardHost } from './guard.ts';
import { createOutbound, type Outbound } from './request.ts';

let server: Server;
let base: string;
let respond: (request: IncomingMessage, response: ServerResponse, body: string) => void;
let outbound: Outbound;
beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => respond(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  outbound = createOutbound();
});
afterAll(() => {
  outbound.close();
  server.closeAllConnections();
  server.close();
});
afterEach(() => {
  respond = (_request, response) => response.end();
});

const LOOPBACK = ['127.0.0.0/8'];
type HttpEffect = Extract<Effect, { kind: 'http' }>;
const effect = (path: string, changes: Partial<HttpEffect> = {}): HttpEffect => ({
  kind: 'http',
  method: 'POST',
  url: `${base}${path}`,
  headers: {},
  timeout_ms: 1000,
  retries: 0,
  masked: { url: '', headers: {} },
  ...changes,
});
const send = (request: HttpEffect, allow: readonly string[] = LOOPBACK, signal = new AbortController().signal) =>
  outbound.send(request, allow, signal);

describe('webhook requests of scripts', () => {
  test('carry method, headers and body, and bring back status, headers and JSON', async () => {
    let seen: { method: string | undefined; headers: IncomingMessage['headers']; body: string } | undefined;
    respond = (request, response, body) => {
      seen = { method: request.method, headers: request.headers, body };
      response.writeHead(201, { 'content-type': 'application/json', 'x-a': 'b' }).end('{"n":1}');
    };
    const result = await send(
      effect('/x?y=1', {
        method: 'PUT',
        headers: { 'X-Token': 'a\r\nX-Evil: 1', Host: 'evil', 'Content-Length': '9999' },
        body: '{"a":1}',
      }),
    );
    expect(result).toMatchObject({ kind: 'response', status: 201, body: { n: 1 }, headers: { 'x-a': 'b' } });
    expect(seen).toMatchObject({
      method: 'PUT',
      body: '{"a":1}',
      headers: {
        'x-token': 'aX-Evil: 1',
        host: expect.stringContaining('127.0.0.1'),
        'content-type': 'application/json',
      },
    });
    expect(seen?.headers['x-evil']).toBeUndefined();
  });

  test('keep text as text, and JSON that is none too', async () => {
    respond = (_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{broken');
    expect(await send(effect('/'))).toMatchObject({ body: '{broken' });
    respond = (_request, response) => response.end('SUCCESS: done');
    expect(await send(effect('/'))).toMatchObject({ body: 'SUCCESS: done' });
  });

  test.each([
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    '',
    'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort',
  ])('end when the server answers %j and nothing more', async (answer) => {
    respond = (request) => {
      request.socket.end(answer);
    };
    expect(await send(effect('/'))).toMatchObject({ kind: 'failed' });
  });

  test('follow no redirect', async () => {
    respond = (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    expect(await send(effect('/'))).toMatchObject({ kind: 'response', status: 302 });
  });

  test('time out, and stop at once when the caller is gone', async () => {
    respond = () => {};
    expect(await send(effect('/', { timeout_ms: 100 }))).toEqual({ kind: 'timeout' });
    const stop = new AbortController();
    const pending = send(effect('/', { timeout_ms: 10_000, retries: 3 }), LOOPBACK, stop.signal);
    stop.abort();
    expect(await pending).toEqual({ kind: 'failed', reason: 'the caller is gone' });
  });

  test('try again after an error of the server, as often as the script says', async () => {
    let calls = 0;
    respond = (_request, response) => response.writeHead(++calls < 3 ? 503 : 200).end();
    expect(await send(effect('/', { retries: 2 }))).toMatchObject({ status: 200 });
    expect(calls).toBe(3);
    calls = -10;
    expect(await send(effect('/', { retries: 1 }))).toMatchObject({ status: 503 });
    expect(calls).toBe(-8);
  });

  test('cut off an answer without end', async () => {
    respond = (_request, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write('x'.repeat(16_384), () => setImmediate(more));
      };
      more();
    };
    expect(await send(effect('/'))).toMatchObject({ kind: 'failed', reason: expect.stringContaining('65536') });
  });

  test('reach public addresses only, and what the organization allows', async () => {
    respond = (_request, response) => response.end('secret of the inside');
    for (const allow of [[], ['10.0.0.0/8'], ['example.com']])
      expect(await send(effect('/'), allow)).toMatchObject({
        kind: 'failed',
        reason: expect.stringContaining('webhook_allow'),
      });
    const port = new URL(base).port;
    expect(await send(effect('/', { url: `http://localhost:${port}/` }), [])).toMatchObject({ kind: 'failed' });
    expect(await send(effect('/', { url: `http://localhost:${port}/` }), ['LOCALHOST'])).toMatchObject({
      kind: 'response',
    });
    for (const url of ['ftp://example.com/', 'file:///etc/passwd', 'not a url'])
      expect(await send(effect('/', { url }))).toMatchObject({ kind: 'failed' });
  });

  test('a kept connection of one organization opens nothing for another', async () => {
    respond = (_request, response) => response.end('ok');
    expect(await send(effect('/'))).toMatchObject({ kind: 'response' });
    expect(await send(effect('/'), [])).toMatchObject({ kind: 'failed' });
  });
});

describe('the guard', () => {
  test.each([
    '127.0.0.1',
    '[::1]',
    '10.1.2.3',
    '169.254.169.254',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    'localhost',
    '0.0.0.0',
    'no-such-host.invalid',
  ])('refuses %s', async (host) => {
    expect(await guardHost(host, [])).toHaveProperty('refused');
  });

  test('lets a public address through as it is', async () => {
    expect(await guardHost('8.8.8.8', [])).toEqual({ address: '8.8.8.8', family: 4 });
    expect(await guardHost('[2606:4700::1111]', [])).toEqual({ address: '2606:4700::1111', family: 6 });
  });
});
