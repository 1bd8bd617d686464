import { createLogger, createMetrics } from '@voiceoi/kernel';
import Type from 'typebox';
import { afterEach, describe, expect, test } from 'vitest';
import type { Access, Principal } from './access.ts';
import { createApp } from './app.ts';
import type { App, Feature } from './feature.ts';
import { route } from './openapi.ts';
import { ProblemError } from './problems.ts';

const ROOT: Principal = { kind: 'user', id: 'u', email: 'root@localhost', superadmin: true };
const PERSON: Principal = { ...ROOT, email: 'person@localhost', superadmin: false };
const NODE: Principal = { kind: 'node', orgId: 'abc', generation: 1 };
const Any = Type.Object({});

let opened: App | undefined;
afterEach(() => opened?.close());

/** An app of one feature; `lines` gathers what it logs. */
async function start(feature: Feature, trustProxy: readonly string[] = []) {
  const lines: string[] = [];
  const log = createLogger({ level: 'info', mode: 'test', stream: { write: (line) => void lines.push(line) } });
  const metrics = createMetrics({ mode: 'test', version: '0' });
  const authenticators = {
    user: async (bearer: string) => ({ root: ROOT, person: PERSON })[bearer],
    node: async (key: string) => (key === 'good' ? NODE : undefined),
    role: async (_user: string, org: string) => (org === 'abc' ? ('editor' as const) : undefined),
  };
  opened = await createApp({ log, metrics, authenticators, features: [feature], trustProxy });
  return { app: opened, lines, metrics };
}

const guarded: Feature = (app) => {
  const add = (path: string, access: Access): void =>
    void app.get(
      path,
      route({ id: path, tag: 'service', summary: access, access, answers: { 200: Any } }),
      async ({ principal }) => ({ who: principal.kind }),
    );
  for (const access of ['public', 'user', 'node'] as const) add(`/x/${access}`, access);
  add('/x/create', 'organization.create');
  for (const access of ['script.read', 'script.write', 'key.write'] as const) add(`/x/:org_id/${access}`, access);
};

describe('who may call', () => {
  test('a route that does not say it keeps the app from starting', async () => {
    const careless: Feature = (app) => void app.get('/open', async () => ({}));
    await expect(start(careless)).rejects.toThrow('/open does not say who may call it');
  });

  test('a route that asks for a role in no organization keeps the app from starting', async () => {
    const careless: Feature = (app) => {
      const access = 'script.write';
      app.get('/open', route({ id: 'x', tag: 'x', summary: 'x', access, answers: { 200: Any } }), async () => ({}));
    };
    await expect(start(careless)).rejects.toThrow('/open asks for a role, and its path has no org_id');
  });

  const user = (token: string) => ({ authorization: `Bearer ${token}` });
  const key = { 'x-organization-secret': 'good' };
  test.each([
    ['public', {}, 200],
    ['user', {}, 401],
    ['user', { authorization: 'Basic cm9vdDpyb290' }, 401],
    ['user', user('forged'), 401],
    ['user', key, 401],
    ['user', user('person'), 200],
    ['abc/script.read', {}, 401],
    ['abc/script.read', user('person'), 200],
    ['abc/script.write', user('person'), 200],
    ['abc/key.write', user('person'), 403],
    ['xyz/script.read', user('person'), 404],
    ['xyz/key.write', user('person'), 404],
    ['NO%00ID/script.read', user('person'), 404],
    ['abc/script.read', key, 401],
    ['create', user('person'), 403],
    ['create', user('root'), 200],
    ['abc/key.write', user('root'), 200],
    ['node', user('root'), 401],
    ['node', { 'x-organization-secret': 'bad' }, 401],
    ['node', key, 200],
    ['node', { 'x-sync-token': 'good' }, 200],
    ['node?org_id=abc', key, 200],
    ['node?org_id=xyz', key, 403],
    ['node?org_id=abc&org_id=xyz', key, 403],
  ])('%s with %o is %i', async (path, headers, status) => {
    const { app } = await start(guarded);
    const response = await app.inject({ url: `/x/${path}`, headers });
    expect(response.statusCode).toBe(status);
    if (status !== 200) expect(response.headers['content-type']).toMatch('application/problem+json');
  });
});

describe('an error', () => {
  const failing: Feature = (app) => {
    const option = (id: string) => route({ id, tag: 'service', summary: id, access: 'public', answers: { 200: Any } });
    app.get('/unexpected', option('unexpected'), async () => {
      throw new Error('password of the database is hunter2');
    });
    app.get('/text', option('text'), async () => {
      throw 'no error at all';
    });
    app.get('/busy', option('busy'), async () => {
      throw new ProblemError('OVERLOADED', 'Busy', { headers: { 'retry-after': '3' } });
    });
  };

  test.each(['/unexpected', '/text'])(
    'that nobody expected (%s) says nothing outside, and all in the log',
    async (url) => {
      const { app, lines } = await start(failing);
      const response = await app.inject(url);
      const body = response.json();
      expect(response.statusCode).toBe(500);
      expect(body).toEqual({
        type: 'about:blank#INTERNAL',
        title: 'Something went wrong here',
        status: 500,
        detail: 'An unexpected error; the log has it under this request_id',
        code: 'INTERNAL',
        request_id: body.request_id,
      });
      const logged = lines.find((line) => line.includes(body.request_id));
      expect(logged).toContain(url === '/text' ? 'no error at all' : 'hunter2');
    },
  );

  test('of the catalogue has its status, code and headers', async () => {
    const { app, lines } = await start(failing);
    const response = await app.inject('/busy');
    expect(response.json()).toMatchObject({ status: 503, code: 'OVERLOADED', detail: 'Busy' });
    expect(response.headers['retry-after']).toBe('3');
    expect(lines).toEqual([]);
  });

  test.each([
    ['/nowhere?x=1', 404, 'NOT_FOUND'],
    [`/${'x'.repeat(5000)}`, 404, 'NOT_FOUND'],
    ['/x/%zz', 400, 'VALIDATION_FAILED'],
  ])('of an address (%s) is a problem too', async (url, status, code) => {
    const { app } = await start(failing);
    const response = await app.inject(url);
    expect(response.headers['content-type']).toMatch('application/problem+json');
    expect(response.json()).toMatchObject({ status, code });
    expect(response.body.length).toBeLessThan(600);
  });
});

describe('every answer', () => {
  test('forbids what a page of somebody else could do with it', async () => {
    const { app } = await start(guarded);
    const { headers } = await app.inject({ url: '/x/public', headers: { origin: 'https://evil.example' } });
    expect(headers['content-security-policy']).toMatch("default-src 'self'");
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  test('is measured under its route and not under its address', async () => {
    const { app, metrics } = await start((app) => {
      const options = { id: 'y', tag: 'service', summary: 'y', access: 'public', answers: { 200: Any } } as const;
      app.get('/y/:id', route(options), async () => ({}));
    });
    for (const id of ['a', 'b', 'c']) await app.inject(`/y/${id}`);
    await app.inject('/nowhere/1');
    const text = await metrics.registry.metrics();
    expect(text).toContain('voiceoi_http_request_seconds_count{method="GET",route="/y/:id",code="200"} 3');
    expect(text).toContain('voiceoi_http_request_seconds_count{method="GET",route="unknown",code="404"} 1');
    expect(text).not.toContain('nowhere');
  });

  test.each([
    ['of nobody without a setting', [], '127.0.0.1'],
    ['of a proxy that is trusted', ['127.0.0.0/8'], '203.0.113.7'],
    ['of no other', ['10.0.0.0/8'], '127.0.0.1'],
  ])('believes where a request came from %s', async (_what, trustProxy, expected) => {
    const feature: Feature = (app) => {
      const options = { id: 'ip', tag: 'service', summary: 'ip', access: 'public', answers: { 200: Any } } as const;
      app.get('/ip', route(options), async ({ ip }) => ({ ip }));
    };
    const { app } = await start(feature, trustProxy);
    const answer = await app.inject({ url: '/ip', headers: { 'x-forwarded-for': '203.0.113.7' } });
    expect(answer.json()).toEqual({ ip: expected });
  });
});
