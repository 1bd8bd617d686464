import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { Problem } from '@voiceoi/contracts';
import { signUrl } from '@voiceoi/kernel';
import { Check } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNode, type TestNode, testKey } from '../../../test/services/webhook-node.ts';
import { twilioSignature } from './twilio-signature.ts';

const abc = testKey('abc');
const xyz = testKey('xyz');
const TOKEN = 'twilio’s token';
let node: TestNode;
beforeAll(async () => {
  node = await startNode({ keys: [abc, xyz], secrets: { twilio_auth_token: TOKEN }, maxCalls: 1000 });
});
afterAll(() => node.close());

const BODY = JSON.stringify({ event: 'start' });
const path = '/webhook/abc/1';
const inAMinute = (): string => String(Math.floor(Date.now() / 1000) + 60);

async function statusOf(query: string, headers: { readonly [name: string]: string }, body = BODY): Promise<number> {
  const response = await node.post(query, body, headers);
  const text = await response.text();
  if (!response.ok) {
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(Check(Problem, JSON.parse(text))).toBe(true);
    expect(JSON.parse(text).status).toBe(response.status);
  }
  return response.status;
}

describe('an organization’s key', () => {
  test('lets in; another organization’s is forbidden, a wrong one is unknown', async () => {
    expect(await statusOf('', { 'x-organization-secret': abc.text })).toBe(200);
    expect(await statusOf('', { 'x-organization-secret': xyz.text })).toBe(403);
    expect(await statusOf('', { 'x-organization-secret': testKey('abc', 2).text })).toBe(401);
    expect(await statusOf('', { 'x-organization-secret': testKey('other').text })).toBe(401);
    expect(await statusOf('', { 'x-organization-secret': `${abc.text}0` })).toBe(401);
    expect(await statusOf('', {})).toBe(401);
  });

  test('that is wrong is not made up for by a good signature', async () => {
    const exp = inAMinute();
    const query = `?${signUrl(abc.key, { method: 'POST', path, exp: Number(exp) })}`;
    expect(await statusOf(query, {})).toBe(200);
    expect(await statusOf(query, { 'x-organization-secret': xyz.text })).toBe(403);
  });
});

describe('a signed URL', () => {
  const signed = (exp: string, key = abc.key, rest: { method?: string; path?: string; hash?: string } = {}): string => {
    const { method = 'POST', path: signedPath = path, hash = '' } = rest;
    return `?${signUrl(key, { method, path: signedPath, exp: Number(exp), bodySha256: hash })}`;
  };

  test('lets in until it expires', async () => {
    expect(await statusOf(signed(inAMinute()), {})).toBe(200);
    expect(await statusOf(signed(String(Math.floor(Date.now() / 1000) - 1)), {})).toBe(401);
  });

  test('is good for its method, path, time, key and generation alone', async () => {
    const exp = inAMinute();
    expect(await statusOf(signed(exp, abc.key, { path: '/webhook/abc/2' }), {})).toBe(401);
    expect(await statusOf(signed(exp, abc.key, { method: 'GET' }), {})).toBe(401);
    expect(await statusOf(signed(exp, xyz.key), {})).toBe(401);
    expect(await statusOf(signed(exp, testKey('abc', 2).key), {})).toBe(401);
    expect(await statusOf(signed(exp).replace(exp, String(Number(exp) + 1)), {})).toBe(401);
    expect(await statusOf(signed(exp).replace('kid=1', 'kid=2'), {})).toBe(401);
    expect(await statusOf(`${signed(exp)}0`, {})).toBe(401);
  });

  test('may be good for one body alone', async () => {
    const hash = createHash('sha256').update(BODY).digest('hex');
    const query = signed(inAMinute(), abc.key, { hash });
    expect(await statusOf(query, {})).toBe(200);
    expect(await statusOf(query, {}, `${BODY} `)).toBe(401);
  });

  test('goes on in the addresses that it gives', async () => {
    const query = `${signed(inAMinute())}&dialect=twiml`;
    const first = await node.post(query, 'CallSid=CAsigned&CallStatus=in-progress', {});
    const action = /action="([^"]+)"/.exec(await first.text())?.[1]?.replaceAll('&amp;', '&') ?? '';
    const next = await fetch(action, {
      method: 'POST',
      body: new URLSearchParams({ CallSid: 'CAsigned', Digits: '2' }),
    });
    expect(await next.text()).toContain('<Hangup/>');
  });
});

describe('Twilio’s signature', () => {
  const form = 'CallSid=CA1&From=%2B15550199&To=%2B15550100&CallStatus=in-progress';
  const sign = (url: string, token = TOKEN) => twilioSignature(token, url, new URLSearchParams(form));

  test('is computed as Twilio’s example has it', () => {
    // https://www.twilio.com/docs/usage/security#validating-requests, with token 12345.
    const example = new URLSearchParams({
      CallSid: 'CA1234567890ABCDE',
      Caller: '+12349013030',
      Digits: '1234',
      From: '+12349013030',
      To: '+18005551212',
    });
    const url = 'https://mycompany.com/myapp.php?foo=1&bar=2';
    expect(twilioSignature('12345', url, example)).toBe('0/KCTR6DLpKmkAf8muzZqo1nDgQ=');
  });

  test('lets in the dialect that it belongs to, for the address that was called', async () => {
    const url = `${node.url}?dialect=twiml`;
    expect(await statusOf('?dialect=twiml', { 'x-twilio-signature': sign(url) }, form)).toBe(200);
    expect(await statusOf('?dialect=twiml', { 'x-twilio-signature': sign(url) }, `${form}1`)).toBe(401);
    expect(await statusOf('?dialect=twiml&x=1', { 'x-twilio-signature': sign(url) }, form)).toBe(401);
    expect(await statusOf('?dialect=twiml', { 'x-twilio-signature': sign(url, 'other') }, form)).toBe(401);
    const asJson = { 'x-twilio-signature': twilioSignature(TOKEN, node.url, new URLSearchParams(BODY)) };
    expect(await statusOf('', asJson)).toBe(401);
  });

  test('lets nobody in where the organization has no token', async () => {
    const without = await startNode();
    const url = `${without.url}?dialect=twiml`;
    for (const token of ['', 'undefined'])
      expect((await without.post('?dialect=twiml', form, { 'x-twilio-signature': sign(url, token) })).status).toBe(401);
    await without.close();
  });
});

describe('the address that a gateway was called by', () => {
  const form = 'CallSid=CAgw&CallStatus=in-progress';
  const publicUrl = 'https://voice.example/gateway/abc/webhook/1?dialect=twiml&exp=1';
  const actionOf = async (headers: { readonly [name: string]: string }, query = '?dialect=twiml') =>
    /action="([^"]+)"/.exec(await (await node.post(query, form, headers)).text())?.[1]?.replaceAll('&amp;', '&') ?? '';

  test('is believed together with a good key, and is what the next request goes to', async () => {
    const action = await actionOf({ 'x-organization-secret': abc.text, 'x-voiceoi-public-url': publicUrl });
    expect(action.startsWith(`${publicUrl}&state=`)).toBe(true);
  });

  test('is not believed of anybody else', async () => {
    const exp = inAMinute();
    const query = `?dialect=twiml&${signUrl(abc.key, { method: 'POST', path, exp: Number(exp) })}`;
    expect((await actionOf({ 'x-voiceoi-public-url': publicUrl }, query)).startsWith(node.url)).toBe(true);
  });
});

describe('a request that is none', () => {
  const key = { 'x-organization-secret': abc.text };
  test('hears what is wrong with it', async () => {
    expect(await statusOf('', key, '{')).toBe(400);
    expect(await statusOf('', key, '[]')).toBe(400);
    expect(await statusOf('', key, '{"event":"start","digits":"1a"}')).toBe(400);
    expect(await statusOf('', key, '{"event":"start","more":1}')).toBe(400);
    expect(await statusOf('', key, '{"event":"input"}')).toBe(400);
    expect(await statusOf('', key, '{"event":"input","state":"abc"}')).toBe(400);
    expect(await statusOf('', key, '{"event":"start","state":"abc"}')).toBe(400);
    expect(await statusOf('?dialect=sms', key)).toBe(400);
    expect(await statusOf('', { ...key, 'content-type': 'text/plain' })).toBe(415);
    expect(await statusOf('?dialect=twiml', { ...key, 'content-type': 'application/json' })).toBe(415);
    expect(await statusOf('?dialect=twiml', key, 'From=1')).toBe(400);
    expect(await statusOf('?dialect=jambonz', key, '{"from":"1"}')).toBe(400);
    const elsewhere = await fetch(node.url.replace('/abc/1', '/abc/none'), {
      method: 'POST',
      body: BODY,
      headers: { ...key, 'content-type': 'application/json' },
    });
    expect(elsewhere.status).toBe(404);
    const bad = await (await node.post('', '{"event":"start","digits":"x"}', key)).json();
    expect(bad).toMatchObject({ code: 'VALIDATION_FAILED', errors: [{ path: '/digits' }] });
  });

  test.each([
    '/',
    '/webhook',
    '/webhook/abc',
    '/webhook/abc/1/2',
    '/webhook/ABC/1',
    '/webhook/abc/%31',
    '/healthz',
    '//x/y',
  ])('to %s is not found', async (target) => {
    const { host } = new URL(node.url);
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`http://${host}`, { method: 'POST', path: target, headers: key }, (response) =>
        resolve(response.resume().statusCode),
      );
      request.on('error', reject).end(BODY);
    });
    expect(status).toBe(404);
  });

  test('by another method is told which', async () => {
    const response = await fetch(node.url, { headers: key });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('of more than 256 KiB is refused, whether it says so or not', async () => {
    const body = JSON.stringify({ event: 'start', lead: { x: 'y'.repeat(256 * 1024) } });
    expect(await statusOf('', key, body)).toBe(413);
    const chunked = await fetch(node.url, {
      method: 'POST',
      headers: { ...key, 'content-type': 'application/json' },
      body: new Blob([body]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
  });

  test('does not harm the next one, however broken it is', async () => {
    const { port } = new URL(node.url);
    for (const rubbish of [
      '\x16\x03\x01\x02',
      'POST / HTTP/9\r\n\r\n',
      `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n{`,
    ]) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      await new Promise<void>((resolve) => socket.write(rubbish, () => resolve()));
      socket.destroy();
    }
    expect(await statusOf('', key)).toBe(200);
  });
});
